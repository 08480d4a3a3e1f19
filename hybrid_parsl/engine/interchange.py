"""``python -m hybrid_parsl.engine.interchange``: Parsl's interchange, tied to the driver's life.

A signal to the driver's process group, such as Ctrl-C in a terminal or a batch system's SIGTERM,
does not reach it: the driver still needs it to end blocks in order. When the driver is killed, it
ends as well.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from hybrid_parsl.parent_death import die_with_parent

COMMAND = [sys.executable, "-m", "hybrid_parsl.engine.interchange"]
"""What starts it."""

_PROGRAM = "interchange.py"


def main() -> None:
    """Become Parsl's program, which lies beside the interpreter, in a session of its own."""
    os.setsid()
    die_with_parent()
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    program = shutil.which(_PROGRAM, path=os.pathsep.join(folders)) or _PROGRAM
    os.execv(program, [program])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
