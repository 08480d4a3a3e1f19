"""Parsl's interchange, tied to the driver's life, as a program of its own.

A signal to the driver's process group, such as Ctrl-C in a terminal or a batch system's SIGTERM,
does not reach it: the driver still needs it to end blocks in order. When the driver is killed, it
ends as well.
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

from hybrid_parsl.parent_death import die_with_parent

_PROGRAM = "interchange.py"


def command() -> list[str]:
    """Return what starts the interchange of this process."""
    module = "hybrid_parsl.engine.blocks.interchange"
    return [sys.executable, "-P", "-m", module, str(os.getpid())]


def main() -> None:
    """Run Parsl's program, which lies beside the interpreter, in a session of its own."""
    os.setsid()
    die_with_parent(parent=int(sys.argv[1]))  # it may have been killed by now
    let_workers_connect_again()
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    program = shutil.which(_PROGRAM, path=os.pathsep.join(folders)) or _PROGRAM
    sys.argv = [program]
    runpy.run_path(program, run_name="__main__")


def let_workers_connect_again() -> None:
    """Let a new connection under a known name take the place of the old one.

    The workers of a block look with one connection for an address and then come with another,
    under the same name. If the interchange is too busy to have noticed that the first is closed,
    ZeroMQ would never hand it anything of the second: the block would wait for ever.

    Source: zmq_setsockopt(3), ZMQ_ROUTER_HANDOVER.
    """
    import zmq
    from parsl.curvezmq import ServerContext

    make = ServerContext.socket

    def make_socket(context: Any, kind: int, *args: Any, **keywords: Any) -> Any:
        made = make(context, kind, *args, **keywords)
        if kind == zmq.ROUTER:
            made.setsockopt(zmq.ROUTER_HANDOVER, 1)
        return made

    ServerContext.socket = make_socket


if __name__ == "__main__":
    main()
