"""Finds the class of a problem by its kind: built in, installed as a plug-in, or by path."""

from __future__ import annotations

import hashlib
import importlib
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from hybrid_parsl.errors import ConfigurationError, HybridParslError
from hybrid_parsl.experiment_file import explain
from hybrid_parsl.messages import nearest, shown
from hybrid_parsl.own_code import OwnCode, find_own_code
from hybrid_parsl.quantum.registry import backend_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.experiment import Experiment, ProblemTable
    from hybrid_parsl.problems.protocol import Problem

BUILT_IN = {
    "bell": "hybrid_parsl.problems.bell:Bell",
    "ising": "hybrid_parsl.problems.ising:Ising",
    "maxcut": "hybrid_parsl.problems.maxcut:MaxCut",
}
ENTRY_POINTS = "hybrid_parsl.problems"


def problem_kinds() -> dict[str, str]:
    """Return every known kind with the ``package.module:Class`` behind it, sorted."""
    plugins = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    return dict(sorted({**plugins, **BUILT_IN}.items()))


def problem_class(kind: str) -> type[Problem]:
    """Return the class of a `kind` of problem.

    Raises
    ------
    ConfigurationError
        No such kind is known, or its class cannot be imported or is no problem.
    """
    kinds = problem_kinds()
    target = kinds.get(kind, kind)
    module, colon, name = target.partition(":")
    if not colon or not module or not name:
        valid = f"{', '.join(kinds)}, or package.module:Class"
        raise ConfigurationError(
            "unknown kind of problem",
            None,
            "problem.kind",
            shown(kind),
            valid,
            nearest(kind, kinds),
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # a plug-in may raise anything while it is imported
        message = f"cannot import it: {type(error).__name__}: {error}"
        raise ConfigurationError(message, None, "problem.kind", shown(kind)) from error
    lacking = [word for word in ("Settings", "ansatz", "circuit") if not hasattr(found, word)]
    if lacking:
        message = f"is not a problem: it has no {', '.join(lacking)}"
        raise ConfigurationError(message, None, "problem.kind", shown(kind))
    return cast("type[Problem]", found)


def build_problem(table: ProblemTable) -> Problem:
    """Make the problem that the table ``[problem]`` describes.

    Raises
    ------
    ConfigurationError
        The kind is not known, a key or value of it is not valid, or its class fails.
    """
    found = problem_class(table.kind)
    try:
        settings = found.Settings.model_validate(table.settings)
    except ValidationError as error:
        raise explain(error, found.Settings, "problem") from error
    make: Any = found
    try:
        return cast("Problem", make(settings))
    except HybridParslError:
        raise
    except Exception as error:  # the class is anybody's
        message = f"cannot make it: {type(error).__name__}: {error}"
        raise ConfigurationError(message, None, "problem.kind", shown(table.kind)) from error


def problem_fingerprint(kind: str) -> str:
    """Return the fingerprint of the file that holds the class of a `kind`, 16 hexadecimal digits.

    Nothing for a class of this package, whose own identity counts, and for one without a file.

    Raises
    ------
    ConfigurationError
        There is no such class.
    """
    found = problem_class(kind)
    if found.__module__.partition(".")[0] == __name__.partition(".")[0]:
        return ""
    try:
        path = Path(sys.modules[found.__module__].__file__ or "")
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except (AttributeError, KeyError, OSError):
        return ""


def embed_code(experiment: Experiment, folders: Sequence[Path]) -> Experiment:
    """Return `experiment` holding the user's own Python files that it names.

    Parameters
    ----------
    experiment
        Names a problem and a backend.
    folders
        Where such files may lie besides the current folder and ``PYTHONPATH``.

    Raises
    ------
    ConfigurationError
        If they are too large.
    """
    kind = experiment.problem.kind
    targets = (problem_kinds().get(kind, kind), backend_target(experiment.quantum.backend)[0])
    modules = [target.partition(":")[0] for target in targets if ":" in target]
    return experiment.with_own_code(find_own_code(modules, folders) if modules else OwnCode())


def code_fingerprint(experiment: Experiment) -> str:
    """Return the fingerprint of the code of a problem that is not of this package.

    Raises
    ------
    ConfigurationError
        If there is no such class.
    """
    kind = experiment.problem.kind
    own = experiment.own_code.reached_from(problem_kinds().get(kind, kind).partition(":")[0])
    return own.fingerprint or problem_fingerprint(kind)


def embed_files(experiment: Experiment, folder: Path) -> Experiment:
    """Return `experiment` holding the content of the files that its problem names.

    A stage may run where those files are not, so nothing but the experiment may be needed.

    Raises
    ------
    ConfigurationError
        A file cannot be read.
    """
    kind = experiment.problem.kind
    settings = problem_class(kind).embed(experiment.problem.settings, folder)
    known = {"kind": kind, "read_from": experiment.problem.read_from}
    table = type(experiment.problem).model_validate({**known, **settings})
    return experiment.model_copy(update={"problem": table})
