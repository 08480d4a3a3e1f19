from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import zmq

from hybrid_parsl.engine.blocks.interchange import command

if TYPE_CHECKING:
    from pathlib import Path


def run(tmp_path: Path, parent: int) -> subprocess.CompletedProcess[str]:
    # a stand-in beside an interpreter tells which session it is in, and who ends it
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python").symlink_to(sys.executable)
    program = bin_folder / "interchange.py"
    program.write_text(
        f"#!{sys.executable}\n"
        "import ctypes, os\n"
        "number = ctypes.c_int()\n"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(number))\n"
        "print(os.getsid(0) == os.getpid(), number.value)\n"
    )
    program.chmod(0o755)
    words = [str(bin_folder / "python"), *command()[1:-1], str(parent)]
    folders = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": folders},
    )


@pytest.mark.usefixtures("thorough")
def test_it_is_parsls_program_in_a_session_of_its_own(tmp_path: Path) -> None:
    assert command()[-1] == str(os.getpid())
    assert run(tmp_path, os.getpid()).stdout.split() == ["True", "9"]


def test_it_ends_if_its_driver_was_killed_before_it_could_ask(tmp_path: Path) -> None:
    done = run(tmp_path, os.getppid())
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")


BUSY_SERVER = """
import time, zmq
from parsl.curvezmq import ServerContext
from hybrid_parsl.engine.blocks.interchange import let_workers_connect_again
let_workers_connect_again()
server = ServerContext(None).socket(zmq.ROUTER)
print(server.bind_to_random_port("tcp://127.0.0.1"), flush=True)
name, _ = server.recv_multipart()
server.send_multipart([name, b"here"])
time.sleep(1)
name, words = server.recv_multipart()
server.send_multipart([name, words])
time.sleep(60)
"""


@pytest.mark.usefixtures("thorough")
def test_workers_that_connect_again_are_heard_by_a_busy_interchange() -> None:
    # Parsl's workers look for an address first, and then register, under the same name
    server = subprocess.Popen(
        [sys.executable, "-c", BUSY_SERVER], stdout=subprocess.PIPE, text=True
    )
    context = zmq.Context()
    try:
        assert server.stdout is not None
        address = f"tcp://127.0.0.1:{int(server.stdout.readline())}"
        for words in (b"probe", b"register"):
            worker = context.socket(zmq.DEALER)
            worker.setsockopt(zmq.LINGER, 0)
            worker.setsockopt(zmq.IDENTITY, b"name")
            worker.connect(address)
            worker.send(words)
            assert worker.poll(20_000)
            answer = worker.recv()
            worker.close()
        assert answer == b"register"
    finally:
        server.kill()
        server.communicate()
        context.term()
