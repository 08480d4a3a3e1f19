"""The project's Python files that a run uses, kept in its folder."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from hybrid_parsl.messages import printable
from hybrid_parsl.own_code import find_own_code, top_module
from hybrid_parsl.problems.registry import named_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.project import Project
    from hybrid_parsl.records.run_directory import RunDirectory

CODE = "code"
WORKFLOWS = f"{CODE}/apps/workflows.py"


def write_code(
    directory: RunDirectory, project: Project, experiments: Iterable[Experiment]
) -> None:
    """Copy the workflow, and the user's own files that it or an experiment needs, into a run.

    The folder ``code/`` is a project without sites: what an earlier driver left there is replaced.

    Raises
    ------
    ConfigurationError
        If the files are larger than 1 MiB together.
    StorageError
        If they cannot be written.
    """
    files = {file.name: file.text for each in experiments for file in each.own_code.files}
    found = find_own_code(["apps.workflows"], [project.folder])
    files |= {file.name: file.text for file in found.files}
    shutil.rmtree(directory.path / CODE, ignore_errors=True)
    for name, text in sorted(files.items()):
        directory.write(f"{CODE}/{name}", text)


def named_programs(experiments: Iterable[Experiment], code: Iterable[str]) -> list[str]:
    """Return what experiments name to be executed that is neither in `code` nor a known name.

    That is an interpreter, and modules of problem, optimiser and backend in the form
    ``package.module:name``. Modules of this package are known.

    Parameters
    ----------
    experiments
        The experiment of each point.
    code
        The names of files that are examined otherwise.
    """
    known = {__name__.partition(".")[0], *(top_module(name) for name in code)}
    found: dict[str, None] = {}
    for each in experiments:
        if each.quantum.python is not None:
            found[f"the interpreter quantum.python = {printable(each.quantum.python)}"] = None
        for key, (name, target) in named_targets(each).items():
            module, colon, _ = target.partition(":")
            if colon and name == target and module.partition(".")[0] not in known:
                found[f"the module of {key} = {printable(name)}"] = None
    return list(found)


def unknown_code(code: Mapping[str, bytes], folders: Iterable[Path]) -> list[str]:
    """Return the names of the files of `code` that no folder holds as they are.

    Parameters
    ----------
    code
        The content of files by name.
    folders
        Folders of projects.
    """
    places = list(folders)
    return sorted(
        name
        for name, content in code.items()
        if not any(_is_same(place / name, content) for place in places)
    )


def _is_same(path: Path, content: bytes) -> bool:
    """Return whether the file at `path` has this content."""
    try:
        return path.read_bytes() == content
    except OSError:
        return False
