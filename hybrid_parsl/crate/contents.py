"""Which files of a run belong to its crate."""

from __future__ import annotations

import hashlib
import html
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.crate.code import CODE
from hybrid_parsl.ownership import read_own
from hybrid_parsl.records.run_directory import REPORT, RESULTS
from hybrid_parsl.run_report import STUDY_CSV, STUDY_PAGE, STUDY_PARQUET
from hybrid_parsl.secret_names import find_secrets
from hybrid_parsl.study_points import FILE as POINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybrid_parsl.secret_names import FoundSecret

METADATA = "ro-crate-metadata.json"
EXPERIMENT, VERSIONS, EVENTS = "experiment.toml", "versions.json", "events.jsonl"
CIRCUITS, FIGURES, TASKS = "circuits", "figures", "tasks"
_SINGLE = (
    *(EXPERIMENT, POINTS, RESULTS, REPORT, STUDY_CSV, STUDY_PARQUET, STUDY_PAGE, VERSIONS, EVENTS),
)
_SCRIPTS = ".psij"
_NO_DATA = (".frame", ".lock")  # pickles, and locks of processes
_OF_NO_TASK = ("current", "warm_up_")
_MOST_FILES, _MOST_BYTES = 300, 16 * 2**20


@dataclass(frozen=True)
class CrateFile:
    """A file of a crate.

    Attributes
    ----------
    name
        Its path below the folder of the run, with slashes.
    size
        In bytes.
    sha256
        Of its content, hexadecimal.
    """

    name: str
    size: int
    sha256: str


@dataclass
class Contents:
    """The files of a crate.

    Attributes
    ----------
    files
        By name.
    left_out
        A sentence for each file, or kind of file, of the run that is not part of it.
    """

    files: dict[str, CrateFile] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def add(self, name: str, content: bytes) -> bool:
        """Add a file, or leave it out; return whether it was added."""
        if not content:
            return False
        if not is_needed(name) and next(secrets_of(name, content), None):
            self.left_out.append(f"{name} is left out: it holds what sounds like a secret.")
            return False
        self.files[name] = _described(name, content)
        return True

    def below(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, sorted."""
        return sorted(name for name in self.files if name.startswith(f"{folder}/"))


def contents_of(folder: Path) -> Contents:
    """Return the files in the folder of a run that belong to its crate.

    These are its documents, figures, circuits and code, and of its tasks the scripts, job records
    and logs, but for empty files. At most 300 files of tasks count, none larger than 16 MiB. A file
    with what sounds like a secret is left out, unless a crate cannot be without it: see
    `is_needed`. Symbolic links are not followed.

    Raises
    ------
    UntrustedFileError
        If a file belongs to another user or can be written by others.
    """
    found = Contents()
    for name in document_names(folder):
        found.add(name, _content(folder, name))
    if STUDY_PARQUET in found.files and STUDY_CSV not in found.files:
        del found.files[STUDY_PARQUET]
        found.left_out.append(f"{STUDY_PARQUET} is left out: it is the same table.")
    n_more = 0
    for name in _files_below(folder, TASKS):
        if not _is_of_a_task(name) or not (folder / name).stat().st_size:
            continue
        if n_more >= _MOST_FILES:
            found.left_out.append(f"Only the first {_MOST_FILES} files of tasks are in the crate.")
            break
        if (folder / name).stat().st_size > _MOST_BYTES:
            found.left_out.append(f"{name} is left out: it is larger than 16 MiB.")
        else:
            n_more += found.add(name, _content(folder, name))
    return found


def document_names(folder: Path) -> list[str]:
    """Return the names of a run's documents, circuits, code and figures."""
    names = [name for name in _SINGLE if (folder / name).is_file()]
    for place in (CIRCUITS, CODE, FIGURES):
        names += _files_below(folder, place)
    return names


def is_needed(name: str) -> bool:
    """Return whether a crate cannot be without a file of the run."""
    return name in (EXPERIMENT, RESULTS) or name.startswith(f"{CODE}/")


def secrets_of(name: str, content: bytes) -> Iterator[FoundSecret]:
    """Yield what sounds like a secret in a file of a run."""
    text = content.decode("utf-8", "replace")
    if name.endswith((".html", ".svg")):
        text = html.unescape(text)
    return find_secrets(text, is_code=name.endswith(".py"))


def is_in_crate(folder: Path) -> bool:
    """Return whether a folder is, or lies in, an unpacked crate."""
    return any(
        (each / METADATA).is_file() and (each / CODE).is_dir() for each in (folder, *folder.parents)
    )


def _files_below(folder: Path, place: str) -> Iterator[str]:
    """Yield the names of the files in a folder of a run, sorted; links are none."""
    if (folder / place).is_symlink():
        return
    for path, folders, files in os.walk(folder / place):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        for name in sorted(files):
            file = Path(path, name)
            if not file.is_symlink():
                yield file.relative_to(folder).as_posix()


def _is_of_a_task(name: str) -> bool:
    """Return whether a file in ``tasks/`` says how a task was run."""
    parts = name.split("/")[1:]
    hidden = any(part.startswith(".") and part != _SCRIPTS for part in parts)
    return not (hidden or name.endswith(_NO_DATA) or parts[0].startswith(_OF_NO_TASK))


def _content(folder: Path, name: str) -> bytes:
    """Return the content of a file, nothing if it is gone or no plain file."""
    try:
        return read_own(folder / name)
    except OSError:
        return b""


def _described(name: str, content: bytes) -> CrateFile:
    """Return what the crate says of a file."""
    return CrateFile(name, len(content), hashlib.sha256(content).hexdigest())
