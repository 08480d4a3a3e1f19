"""A pack: one MPI job that works through many tasks, each rank one at a time for itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hybrid_parsl.mpi.rank import make_call, report_failure, this_rank
from hybrid_parsl.mpi.team import current_team, each_alone
from hybrid_parsl.tasks.folder import TaskFolder, current_task_folder, output_to
from hybrid_parsl.tasks.serialization import write_frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DONE = "done-*.txt"
"""The files, one a rank, that hold the numbers of the tasks that have an outcome, a line each."""


def search_pack(names: Sequence[str], token: str) -> int:
    """Work through tasks, and return how many there were; every rank calls it.

    The shared counter deals them out one by one. Each task leaves its result or its failure in
    its own folder; a failed one does not stop the others.

    Parameters
    ----------
    names
        Of the folders of the tasks, beside that of the pack itself.
    token
        Tells the pack from all others.

    Raises
    ------
    OSError
        If it cannot be written down that a task has an outcome.
    """
    del token
    pack = current_task_folder()
    if pack is None:
        message = "a pack has to be a task"
        raise RuntimeError(message)
    team = current_team()
    with each_alone():
        for number in team.deal(len(names)):
            _carry_out(TaskFolder(pack.parent / names[number]), team.rank)
            _note_done(pack, team.rank, number)
    return len(names)


def _carry_out(task: TaskFolder, rank: int) -> None:
    """Carry out a task on this rank alone."""
    try:
        with output_to(task):
            _make_call(task, rank)
    except OSError as error:  # its folder is not usable
        report_failure(task, rank, error)


def _make_call(task: TaskFolder, rank: int) -> None:
    """Make the call of a task, and leave its outcome."""
    try:
        task.ranks.write_text(json.dumps([this_rank()]), encoding="utf-8")
        write_frame(task.result, make_call(task.request.read_bytes(), task, rank))
    except Exception as error:  # noqa: BLE001 - the next task is another's
        report_failure(task, rank, error)


def _note_done(pack: Path, rank: int, number: int) -> None:
    """Tell the driver that a task has an outcome."""
    with pack.joinpath(DONE.replace("*", f"{rank:05d}")).open("a", encoding="ascii") as file:
        file.write(f"{number}\n")
