"""Ranks that are started on this host without a network."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from listening_sockets import open_addresses
from waiting import PATIENCE_S

from hybrid_parsl.mpi.library import is_mpich

if TYPE_CHECKING:
    from pathlib import Path

LAUNCHER = [sys.executable, "-P", "-m", "hybrid_parsl.mpi.launcher"]
BEGIN = """
import os, signal, sys, time
from mpi4py import MPI
from hybrid_parsl.parent_death import die_with_parent
die_with_parent()
world = MPI.COMM_WORLD
"""
STAY = f"""{BEGIN}
world.Barrier()
if world.rank == 0: print(*world.gather(os.getpid()), flush=True)
else: world.gather(os.getpid())
"""


def start(n_ranks: int, program: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*LAUNCHER, str(n_ranks), sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )


def run(n_ranks: int, program: str, **variables: str) -> tuple[int, str, str]:
    process = start(n_ranks, program, **variables)
    out, errors = process.communicate("to rank 0", timeout=PATIENCE_S)
    return process.returncode, out, errors


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("n_ranks", [1, 2, 4])
def test_ranks_find_each_other(n_ranks: int) -> None:
    program = f"{BEGIN}\nif (found := world.gather(world.rank)): print(found, world.size)"
    assert run(n_ranks, program) == (0, f"{list(range(n_ranks))} {n_ranks}\n", "")


def test_variables_of_another_launcher_are_not_handed_on() -> None:
    program = f"{BEGIN}\nif world.rank == 0: print(world.size, 'PMI_PORT' in os.environ)"
    outer = {"PMI_FD": "9", "PMI_RANK": "1", "PMI_SIZE": "5", "PMI_PORT": "h:1"}
    assert run(2, program, **outer)[:2] == (0, "2 False\n")


def test_transports_that_the_user_chose_are_kept() -> None:
    program = "import os; print(os.environ['UCX_TLS'], os.environ['UCX_NET_DEVICES'])"
    assert run(1, program, UCX_TLS="self,posix")[1] == "self,posix lo\n"


def test_standard_input_is_that_of_rank_0() -> None:
    program = f"{BEGIN}\ntext = world.gather(sys.stdin.read())\nif text: print(text)"
    assert run(2, program)[1] == "['to rank 0', '']\n"


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("action", "code", "words"),
    [
        ("os._exit(7)", 7, "ended with exit code 7"),
        ("os._exit(0)", 1, "ended with exit code 0"),  # without MPI_Finalize
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "was killed by signal 9"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", 139, "was killed by signal 11"),
    ],
)
def test_a_rank_that_ends_is_named_and_ends_the_others(action: str, code: int, words: str) -> None:
    done = run(3, f"{BEGIN}\nif world.rank == 1: {action}\ntime.sleep(300)")
    assert done[0] == code
    assert f"launcher: rank 1 on {socket.gethostname()} {words}\n" in done[2]


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(("given", "code"), [(3, 3), (256, 1), (268500751, 15)])
def test_mpi_abort_ends_the_others(given: int, code: int) -> None:
    program = f"{BEGIN}\nif world.rank == 1: world.Abort({given})\ntime.sleep(300)"
    assert run(2, program)[0] == code


def test_a_program_without_mpi() -> None:
    assert run(2, "import os; os.write(1, b'here\\n')") == (0, "here\nhere\n", "")
    assert run(2, "raise SystemExit(5)")[0] == 5


def test_a_program_that_does_not_exist() -> None:
    done = subprocess.run(
        [*LAUNCHER, "2", "/no/such/program"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "No such file or directory: '/no/such/program'" in done.stderr


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_ranks_end_with_their_launcher(number: signal.Signals) -> None:
    process = start(2, f"{STAY}\ntime.sleep(300)")
    assert process.stdout is not None
    ranks = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    process.send_signal(number)
    assert process.wait(PATIENCE_S) in (128 + number, -number)
    process.communicate()
    assert psutil.wait_procs(ranks, timeout=PATIENCE_S)[1] == []


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    program = f"{STAY}\nsys.stdin.read()"
    command = [*LAUNCHER, "1", sys.executable, "-c", program]
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate("", timeout=PATIENCE_S)
    assert process.returncode == 0


def test_no_socket_can_be_reached_from_elsewhere() -> None:
    process = start(3, f"{STAY}\nif world.rank == 0: sys.stdin.read()\nworld.Barrier()")
    assert process.stdout is not None
    assert process.stdout.readline()
    assert open_addresses(process.pid) == set()
    process.communicate("", timeout=PATIENCE_S)
    assert process.returncode == 0


def test_which_launcher_is_mpichs(tmp_path: Path) -> None:
    assert is_mpich(os.path.dirname(sys.executable))  # noqa: PTH120 - a search path, not a path
    assert not is_mpich(str(tmp_path))
    other = tmp_path / "mpirun"
    other.write_text("#!/bin/sh\necho 'mpirun (Open MPI) 5.0.11'\n")
    other.chmod(0o755)
    is_mpich.cache_clear()
    assert not is_mpich(str(tmp_path))
