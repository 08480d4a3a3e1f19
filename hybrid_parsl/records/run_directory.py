"""One folder a run, written so that a reader never sees half a file."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from hybrid_parsl.atomic_file import write_atomically
from hybrid_parsl.errors import ConfigurationError, StorageError, UntrustedFileError
from hybrid_parsl.ownership import check_folder, check_tree, is_own, read_own
from hybrid_parsl.records.models import Results, read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import BaseModel

_PRIVATE = 0o700
_NOT_FOR_OTHERS = 0o755
"""What a folder of runs allows at most, whatever the umask is."""
RESULTS = "results.json"
REPORT = "report.html"
REMOTE = "remote.json"
_MOST_INDENTED = 1000
_NAME = re.compile(r"\d{8}T\d{6}Z-")


@dataclass(frozen=True)
class RunDirectory:
    """The folder of one run.

    ::

        20261122T093000Z-maxcut-3f9c2a/
            experiment.toml   what was asked, with every default
            site.json         where it ran
            versions.json     with which packages
            events.jsonl      what happened when
            tasks/            a folder a task with stdout.log and stderr.log; of a study's tasks
                              that leave only a result, calls.frames holds those
            figures/          SVG
            driver.lock       held by the process that drives the run
            results.json      what every stage found, so far while it runs
            report.html       the same for people
            circuits/         OpenQASM 3
            code/             the workflow and what it imports from the project
            ro-crate-metadata.json  provenance, of a run that has ended
            remote.json       of a run on an endpoint: where that is, and what it has reported

    Attributes
    ----------
    path
        The absolute path.
    """

    path: Path

    @classmethod
    def create(cls, parent: Path, name: str) -> RunDirectory:
        """Make a new folder ``<UTC time>-<name>-<short id>`` in `parent`, for the user alone.

        Raises
        ------
        ConfigurationError
            If the folder cannot be made.
        UntrustedFileError
            If it would not be the user's own: see `own`.
        """
        begun = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        try:
            for folder in (*reversed(parent.parents), parent):
                if not folder.is_dir():
                    folder.mkdir(mode=_NOT_FOR_OTHERS, exist_ok=True)
            while True:
                path = parent.resolve() / f"{begun}-{name}-{secrets.token_hex(3)}"
                with contextlib.suppress(FileExistsError):
                    path.mkdir(mode=_PRIVATE)
                    break
            try:
                check_folder(path)
            except UntrustedFileError:  # its file system maps owners, or its parent is open to all
                path.rmdir()
                raise
            return cls(path)
        except OSError as error:
            message = f"cannot make a folder for the run: {error.strerror}"
            valid = "a folder that can be written to: --runs-dir DIR"
            raise ConfigurationError(
                message, "--runs-dir", None, str(parent.absolute()), valid
            ) from error

    @classmethod
    def own(cls, path: Path) -> RunDirectory:
        """Return the run in the folder `path`, which has to be the user's own.

        Raises
        ------
        UntrustedFileError
            If the folder or something in it belongs to another user or can be written by others.
        ConfigurationError
            If it cannot be examined.
        """
        try:
            check_tree(path)
            return cls(path.resolve())
        except OSError as error:
            message = f"cannot be examined: {error.strerror}"
            raise ConfigurationError(message, str(error.filename or path)) from error

    @classmethod
    def find(
        cls, parent: Path, text: str, note: Callable[[str], None] = lambda _: None
    ) -> RunDirectory:
        """Return the run of the user that `text` names.

        Parameters
        ----------
        parent
            The folder of all runs.
        text
            A path, the name of a folder in `parent`, a part of it that only one run has, or
            ``latest``: of runs that began in the same second, the one that was written last.
        note
            Called with a line if there are runs of other users that ``latest`` passes over.

        Raises
        ------
        ConfigurationError
            If no run, or more than one, is named so.
        UntrustedFileError
            If it is not the user's own: see `own`.
        """
        if not text.strip():
            valid = "latest, the name of a run or a part of it, or its folder"
            raise ConfigurationError("names no run", None, None, repr(text), valid)
        own = Path(text) / "experiment.toml"
        if os.path.isfile(own):  # noqa: PTH113 - a name that no path can have is no error
            return cls.own(Path(text))
        everyones = sorted(path.parent for path in parent.glob("*/experiment.toml"))
        runs = [run for run in everyones if is_own(run)]
        if text == "latest":
            found = _latest(runs)
            if n_others := len(everyones) - len(runs):
                note(f"latest: {n_others} of the runs in {parent} belong to other users")
        else:
            found = [run for run in runs if text in run.name] or [
                run for run in everyones if text in run.name
            ]
        exact = [run for run in found if run.name == text]
        if len(exact or found) == 1:
            return cls.own((exact or found)[0])
        message = "names more than one run" if found else "no such run"
        if not found and _NAME.match(Path(text).name) and os.path.isdir(parent / text):  # noqa: PTH112 - as above
            message = "is the folder of a run that was killed before it began, and can be removed"
        newest = ", ".join(run.name for run in (found or runs)[-5:])
        whose = "there is no run" if not everyones else "there is no run of yours"
        valid = f"latest, {newest}" if newest else f"nothing: {whose} in {parent}"
        raise ConfigurationError(message, None, None, text, valid)

    @property
    def lock(self) -> Path:
        """The file whose lock the driver of the run holds."""
        return self.path / "driver.lock"

    @property
    def is_remote(self) -> bool:
        """Whether the run is on an endpoint, and only some of its files are here."""
        return (self.path / REMOTE).is_file()

    def check_here(self) -> None:
        """Check that what the run does can be known and changed from its folder.

        Raises
        ------
        ConfigurationError
            If it is on an endpoint.
        """
        if self.is_remote:
            valid = "hybrid-parsl remote status, attach, fetch or resume"
            raise ConfigurationError("is on an endpoint", f"run {self.path.name}", valid=valid)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write the file `name` at once: a reader finds it whole or not at all.

        Raises
        ------
        StorageError
            If the file cannot be written, or would not be in the folder of the run.
        """
        path = self._place(name)
        try:
            path.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(str(path), error.strerror or str(error)) from error
        if isinstance(content, str):
            content = content.encode("utf-8", "backslashreplace")
        write_atomically(path, content)
        return path

    def _place(self, name: str) -> Path:
        """Return the path of the file `name`.

        Raises
        ------
        StorageError
            If it would not be in the folder of the run, by its name or by a link.
        """
        path, relative = self.path / name, PurePosixPath(name)
        if "\0" in name or ".." in relative.parts or relative.is_absolute():
            raise StorageError(str(path), "is no path below the folder of the run")
        for parent in relative.parents:
            if parent.parts and (self.path / parent).is_symlink():
                raise StorageError(str(path), f"{parent} is a link, not a folder of the run")
        return path

    def write_json(self, name: str, value: Any) -> Path:
        """Write `value` to the file `name` as JSON; numbers that are not finite are refused."""
        return self.write(name, json.dumps(value, indent=2, allow_nan=False) + "\n")

    def write_results(self, document: Mapping[str, Any]) -> None:
        """Write ``results.json``; that of many tasks without blanks, in a tenth of the time.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        is_small = len(document["tasks"]) <= _MOST_INDENTED
        form: dict[str, Any] = {"indent": 2} if is_small else {"separators": (",", ":")}
        self.write(RESULTS, json.dumps(document, allow_nan=False, **form) + "\n")

    def read_record(self, name: str, model: type[BaseModel]) -> dict[str, Any]:
        """Return the table in the JSON file `name`, which fits `model`.

        Raises
        ------
        ConfigurationError
            If the file does not exist or is damaged: see `models.read_record`.
        """
        path = self.path / name
        if not os.path.lexists(path):
            self.check_here()
        return read_record(path, model)

    def read_results(self) -> dict[str, Any]:
        """Return what is in ``results.json``, as far as the run came.

        Raises
        ------
        ConfigurationError
            If the file does not exist or is damaged.
        """
        return self.read_record(RESULTS, Results)

    def give_sign_of_life(self) -> None:
        """Let the time of ``results.json`` say that the run's driver is at work."""
        with contextlib.suppress(OSError):
            os.utime(self.path / RESULTS)

    def last_sign_of_life(self) -> str:
        """Return when the run's driver was last at work, as `now` writes it."""
        return written((self.path / RESULTS).stat().st_mtime)

    def read_figures(self) -> dict[str, str]:
        """Return the SVG text of each figure by name.

        Raises
        ------
        ConfigurationError
            If a figure cannot be read.
        """
        figures = {}
        for path in sorted((self.path / "figures").glob("*.svg")):
            try:
                figures[path.stem] = read_own(path).decode("utf-8", "replace")
            except OSError as error:
                raise ConfigurationError(f"cannot be read: {error.strerror}", str(path)) from error
        return figures

    def event(self, kind: str, **values: Any) -> None:
        """Append one line to ``events.jsonl``: the time, the `kind`, and `values`.

        Raises
        ------
        StorageError
            If the line cannot be written.
        """
        self.write_events([{"time": now(), "event": kind, **values}])

    def write_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Append a line to ``events.jsonl`` for each event: a table with time and kind.

        Raises
        ------
        StorageError
            If the lines cannot be written.
        """
        path = self.path / "events.jsonl"
        try:
            with path.open("ab") as file:
                file.write("".join(f"{json.dumps(each)}\n" for each in events).encode())
        except OSError as error:
            raise StorageError(str(path), error.strerror or str(error)) from error


def _latest(runs: list[Path]) -> list[Path]:
    """Return the last of `runs`, which are sorted by name, in a list; nothing if there is none."""
    if not runs:
        return []
    second = runs[-1].name.partition("-")[0]
    same = [run for run in runs if run.name.partition("-")[0] == second]
    return [max(same, key=lambda run: (run / "experiment.toml").stat().st_mtime_ns)]


def now() -> str:
    """Return the time in UTC, ISO 8601 with milliseconds."""
    return written(time.time())


def seconds_between(first: str, last: str) -> float:
    """Return the seconds between two times of `now`."""
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def written(seconds: float) -> str:
    """Return a time in seconds since the epoch in UTC, ISO 8601 with milliseconds."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{milliseconds:03d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    """Return a time in UTC, ISO 8601; thousands of tasks may begin and end in one second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
