"""Functions that tests run on MPI ranks; imported there by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from hybrid_parsl.errors import StorageError
from hybrid_parsl.mpi.live_lines import LiveLines
from hybrid_parsl.mpi.team import MpiTeam, current_team
from hybrid_parsl.tasks.folder import TASK_FOLDER_VARIABLE, current_task_folder

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.results import SearchResult


def who() -> list[tuple[int, int]] | None:
    team = current_team()
    return team.gather((team.rank, team.size))


def add(first: int, second: int = 0) -> int:
    return first + second


def environment(name: str) -> str | None:
    return os.environ.get(name)


def interval(seconds: float) -> tuple[float, float]:
    """Return when a sleep began and ended."""
    began = time.time()
    time.sleep(seconds)
    return began, time.time()


def everywhere(name: str) -> list[str | None] | None:
    return current_team().gather(os.environ.get(name))


def count_together(total: int) -> list[list[int]] | None:
    team = current_team()
    first = list(team.deal(total))
    again = list(team.deal(total))
    shares = team.gather((first, again))
    return shares and [share for pair in zip(*shares, strict=True) for share in pair]


def share_and_once(path: str) -> tuple[list[str], int]:
    team = current_team()
    value = team.share(f"from {team.rank}")

    def mark() -> None:
        with Path(path).open("a") as file:
            file.write("x")

    team.once_per_node(mark)
    seen = Path(path).stat().st_size
    return team.gather(value), seen


def keep_lines_and_fail() -> list[str]:
    """Fail after each rank has kept a line; return the lines that an earlier try has kept."""
    team, folder = current_team(), current_task_folder()
    found = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    if kept := team.share(found):
        return sorted(kept)
    name, line = f"work-{team.rank}.jsonl", f"of rank {team.rank}"
    (folder / name).write_text(f"{line}\n")
    LiveLines(team.size).tell(name, line)
    lines = team.gather(line)
    if lines is not None:
        time.sleep(1)  # the launcher brings what was printed, and drops it when a rank fails
        raise RuntimeError(f"after {len(lines)} lines")
    time.sleep(60)
    return []


def has_imported(module: str) -> bool:
    return module in sys.modules


def raise_on(rank: int) -> None:
    if current_team().rank == rank:
        raise ValueError(f"told to fail on {rank}")
    time.sleep(300)


def raise_ours() -> None:
    raise StorageError("/some/file", "no space left")


def raise_unpicklable() -> None:
    class LocalError(Exception):
        pass

    raise LocalError("cannot travel")


def leave(code: int) -> None:
    raise SystemExit(code)


def kill_on(rank: int) -> None:
    if current_team().rank == rank:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(300)


def return_unpicklable() -> Any:
    return (number for number in range(3))


def return_big(n_bytes: int) -> bytes:
    return b"x" * n_bytes


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def write_and_sleep(path: str, seconds: float) -> str:
    with Path(path).open("w"):
        time.sleep(seconds)
    return "slept"


def print_lines(n_lines: int) -> int:
    for number in range(n_lines):
        print(f"line {number} of rank {current_team().rank}")  # noqa: T201 - two writes if unbuffered
    return n_lines


def exit_process() -> None:
    os._exit(7)


def wait_for(path: str) -> int:
    """Wait until there is a file at `path`, and return the number of ranks."""
    while not Path(path).exists():
        time.sleep(0.05)
    return current_team().size


def count_calls(path: str) -> int:
    """Return how often it was called with `path`; fail where the environment wants it."""
    with Path(path).open("a") as file:
        file.write("x")
    if "HYBRID_PARSL_TEST_FAIL" in os.environ:
        raise ValueError("told to fail")
    return Path(path).stat().st_size


def search_on_1_to_4(experiment: Experiment) -> list[SearchResult | None]:
    """Return what the first 1, 2, 3 and 4 of 4 ranks find, each in a folder of its own."""
    from mpi4py import MPI

    from hybrid_parsl.stages import search as stage

    world, found = MPI.COMM_WORLD, []
    for size in (4, 3, 2, 1):
        folder = Path(os.environ[TASK_FOLDER_VARIABLE]) / str(size)
        folder.mkdir(exist_ok=True)
        some = world.Split(int(world.rank < size), world.rank)
        if world.rank < size:
            team = MpiTeam(some)
            with (
                mock.patch.dict(os.environ, {TASK_FOLDER_VARIABLE: str(folder)}),
                mock.patch.object(stage, "current_team", lambda team=team: team),
            ):
                found.insert(0, stage.search(experiment))
            team.close()
        some.Free()
    return found
