"""One folder a task, named after its function."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hybrid_parsl.errors import StorageError
from hybrid_parsl.mpi.task import TaskFolder

if TYPE_CHECKING:
    from pathlib import Path


class TaskFolders:
    """Makes the folders of an executor's tasks.

    Parameters
    ----------
    path
        Holds all of them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._n_tasks: dict[str, int] = {}

    def new(self, name: str) -> TaskFolder:
        """Make the folder of the next task that calls the function `name`.

        What an earlier try left in it is removed, but for logs and a stage's own files.

        Raises
        ------
        StorageError
            The folder cannot be made.
        """
        with self._lock:
            number = self._n_tasks[name] = self._n_tasks.get(name, 0) + 1
        path = self._path / (name if number == 1 else f"{name}-{number}")
        folder = TaskFolder(path.absolute())
        try:
            path.mkdir(parents=True, exist_ok=True)
            folder.clear()
        except OSError as error:
            raise StorageError(str(path), error.strerror or str(error)) from error
        return folder
