"""Progress of a task in the words of its stage, shown while it runs.

Searches are followed by their finished starts instead: see `hybrid_parsl.optimize.progress`.
"""

from __future__ import annotations

import contextlib
import functools
import time

from hybrid_parsl.mpi.live_lines import LiveLines
from hybrid_parsl.tasks.folder import TaskFolder, current_task_folder

_INTERVAL_S = 1.0
_live = functools.cache(lambda: LiveLines(1))
_last: tuple[object, float] = (None, 0.0)


def report_progress(text: str) -> None:
    """Report the progress of the task of this process; on ranks, one of them is enough.

    The display of the run, ``status`` and Prefect's log show the line until the task ends. Calls
    within a second of the last line are ignored, so it may be called in inner loops. Outside a
    task, and where nothing can be written, it does nothing.

    Parameters
    ----------
    text
        One short line, such as ``3 of 9 bonds``.
    """
    global _last  # noqa: PLW0603 - a property of the process
    path, here = current_task_folder(), time.monotonic()
    if path is None or (_last[0] == path and here - _last[1] < _INTERVAL_S):
        return
    _last = path, here
    line, file = " ".join(text.split()), TaskFolder(path).progress
    with contextlib.suppress(OSError), file.open("ab") as lines:
        lines.write(f"{line}\n".encode("utf-8", "replace"))
    _live().tell(file.name, line)
