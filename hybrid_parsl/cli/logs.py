"""``hybrid-parsl logs``: what the stages of a run have printed."""

from __future__ import annotations

import codecs
import time
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import RunName, RunsDirectory
from hybrid_parsl.cli.output import say_aside, write
from hybrid_parsl.cli.runs import find_run
from hybrid_parsl.cli.status import words_for_left

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.records.run_directory import RunDirectory

_PAUSE_S = 0.3


def logs(
    name: RunName = "latest",
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    stage: Annotated[
        str | None, typer.Option(help="Only the task of this name, such as search or quantum.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")
    ] = False,
) -> None:
    """Print the standard output and standard error of a run's tasks."""
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.messages import nearest

    directory = find_run(runs_dir, name)
    directory.check_here()
    if stage is not None:
        known = directory.read_results().get("tasks", {})
        if stage not in known:
            valid = ", ".join(known) or "none yet: no task of the run has started"
            near = nearest(stage, known)
            raise ConfigurationError("no such task", "--stage", None, stage, valid, near)
    printer = _LogPrinter(directory, stage or "*")
    while True:
        running = follow and _is_running(directory)
        printer.print_new()
        if not running:
            if not printer.has_printed:
                say_aside("nothing has been printed")
            if follow and _is_left(directory):
                say_aside(words_for_left(directory.path))
            return
        time.sleep(_PAUSE_S)


class _LogPrinter:
    """Prints what is new in the logs, with a line that names the file where it changes."""

    def __init__(self, directory: RunDirectory, pattern: str) -> None:
        self._tasks = directory.path / "tasks"
        self._pattern = pattern
        self._read: dict[Path, int] = {}
        self._decoders: dict[Path, codecs.IncrementalDecoder] = {}
        self._last: Path | None = None

    @property
    def has_printed(self) -> bool:
        """Whether there was anything to print."""
        return bool(self._read)

    def print_new(self) -> None:
        """Print all that has been written since the last call."""
        for path in sorted(self._tasks.glob(f"{self._pattern}/std*.log")):
            offset = self._read.get(path, 0)
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read()
            if data:
                self._print(path, data)
                self._read[path] = offset + len(data)

    def _print(self, path: Path, data: bytes) -> None:
        """Print a part of a file."""
        if path != self._last:
            gap = "\n" if self._last else ""
            write(f"{gap}==> {path.relative_to(self._tasks)} <==\n")
            self._last = path
        if path not in self._decoders:  # a read may end within a character
            self._decoders[path] = codecs.getincrementaldecoder("utf-8")("replace")
        write(self._decoders[path].decode(data))


def _is_left(directory: RunDirectory) -> bool:
    """Return whether a run is unfinished and has no driver."""
    return bool(directory.read_results()["run"]["status"] == "running")


def _is_running(directory: RunDirectory) -> bool:
    """Return whether somebody drives the run."""
    from hybrid_parsl.records.run_lock import driver_of

    return driver_of(directory.lock) is not None
