"""Finds the class of a problem by its kind: built in, installed as a plug-in, or by path."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import explain
from hybrid_parsl.messages import nearest, printable, shown
from hybrid_parsl.optimize.registry import OPTIMIZERS, optimizer_class
from hybrid_parsl.own_code import OwnCode, find_own_code
from hybrid_parsl.plugins import PluginGroup, source_fingerprint
from hybrid_parsl.problems.problem import Problem
from hybrid_parsl.quantum.registry import BACKENDS, backend_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import BaseModel

    from hybrid_parsl.experiment import Experiment, ProblemTable

PROBLEMS = PluginGroup(
    what="kind of problem",
    key="problem.kind",
    entry_points="hybrid_parsl.problems",
    built_in={
        "bell": "hybrid_parsl.problems.bell:Bell",
        "circuit": "hybrid_parsl.problems.circuit:CircuitProblem",
        "heisenberg": "hybrid_parsl.problems.heisenberg:Heisenberg",
        "ising": "hybrid_parsl.problems.ising:Ising",
        "maxcut": "hybrid_parsl.problems.maxcut:MaxCut",
        "molecule": "hybrid_parsl.problems.molecule:Molecule",
        "pauli": "hybrid_parsl.problems.pauli:PauliOperator",
        "tfim": "hybrid_parsl.problems.tfim:TransverseFieldIsing",
        "xxz": "hybrid_parsl.problems.xxz:XXZ",
    },
)


def problem_kinds() -> dict[str, str]:
    """Return every known kind with the ``package.module:Class`` behind it, sorted."""
    return PROBLEMS.targets()


def problem_class(kind: str) -> type[Problem]:
    """Return the class of a `kind` of problem.

    A class that is not a subclass of `Problem` gets what it does not define from it.

    Raises
    ------
    ConfigurationError
        If no such kind is known, or its class cannot be imported or is not a problem.
    """
    found = PROBLEMS.load(kind)
    if not isinstance(found, type):
        valid = "a subclass of hybrid_parsl.problems.Problem"
        raise ConfigurationError("is not a problem", None, PROBLEMS.key, shown(kind), valid)
    if not issubclass(found, Problem):
        names = {"__module__": found.__module__, "__doc__": found.__doc__}
        found = type(found.__name__, (found, Problem), names)
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        message = f"is not a problem: it does not define {missing}"
        raise ConfigurationError(message, None, PROBLEMS.key, shown(kind))
    return cast("type[Problem]", found)


def build_problem(table: ProblemTable) -> Problem:
    """Make the problem that the table ``[problem]`` describes.

    Parameters
    ----------
    table
        That of an experiment, which has the ``ansatz.kind`` of the experiment.

    Raises
    ------
    ConfigurationError
        If the kind is not known, a key or value of it is not valid, its class fails, or it does
        not support the ansatz.
    """
    found = problem_class(table.kind)
    _check_ansatz(found, table)
    try:
        settings = found.Settings.model_validate(table.settings)
    except ValidationError as error:
        raise explain(error, found.Settings, "problem") from error
    with PROBLEMS.making(table.kind):
        problem = _made(found, settings)
    if len(found.ansatz_kinds) > 1:
        problem.ansatz_kind = table.ansatz_kind or found.ansatz_kinds[0]
    return problem


def _check_ansatz(found: type[Problem], table: ProblemTable) -> None:
    """Refuse an ``ansatz.kind`` that a kind of problem does not support.

    Raises
    ------
    ConfigurationError
        If it does not.
    """
    kind = table.ansatz_kind
    if kind is None or kind in found.ansatz_kinds:
        return
    message = f"is not supported by problem.kind = '{printable(table.kind)}'"
    valid, near = ", ".join(found.ansatz_kinds), nearest(kind, found.ansatz_kinds)
    raise ConfigurationError(message, None, "ansatz.kind", shown(kind), valid, near)


def _made(found: type[Problem], settings: BaseModel) -> Problem:
    """Return an instance; a class without keys of its own need not take its settings."""
    if not found.Settings.model_fields:
        try:
            inspect.signature(found).bind(settings)
        except TypeError:
            return found()
    return found(settings)


def problem_fingerprint(kind: str) -> str:
    """Return the fingerprint of the file that holds the class of a `kind`.

    16 hexadecimal digits; nothing for a class of this package and for one without a file.

    Raises
    ------
    ConfigurationError
        If there is no such class.
    """
    return source_fingerprint(problem_class(kind))


def named_targets(experiment: Experiment) -> dict[str, tuple[str, str]]:
    """Return what an experiment names to be imported, and what is behind it, by the keys.

    That is ``package.module:name`` for a known name, and the name itself for any other.
    """
    kind, method = experiment.problem.kind, experiment.search.method
    backend = experiment.quantum.backend
    return {
        PROBLEMS.key: (kind, PROBLEMS.target(kind)),
        OPTIMIZERS.key: (method, OPTIMIZERS.target(method)),
        BACKENDS.key: (backend, backend_target(backend)[0]),
    }


def embed_code(experiment: Experiment, folders: Sequence[Path]) -> Experiment:
    """Return `experiment` holding the user's own Python files that it names.

    Parameters
    ----------
    experiment
        Names a problem, an optimiser and a backend.
    folders
        Where such files may lie besides the current folder and ``PYTHONPATH``.

    Raises
    ------
    ConfigurationError
        If they are too large.
    """
    targets = [target for _, target in named_targets(experiment).values()]
    modules = [target.partition(":")[0] for target in targets if ":" in target]
    return experiment.with_own_code(find_own_code(modules, folders) if modules else OwnCode())


def code_fingerprint(experiment: Experiment) -> str:
    """Return the fingerprint of the problem and optimiser that are not of this package.

    Raises
    ------
    ConfigurationError
        If there is no such problem or optimiser.
    """
    kind, method = experiment.problem.kind, experiment.search.method
    own = experiment.own_code
    problem = own.reached_from(PROBLEMS.target(kind).partition(":")[0])
    optimizer = own.reached_from(OPTIMIZERS.target(method).partition(":")[0])
    return (problem.fingerprint or problem_fingerprint(kind)) + (
        optimizer.fingerprint or source_fingerprint(optimizer_class(method))
    )


def embed_files(experiment: Experiment, folder: Path) -> Experiment:
    """Return `experiment` holding the content of the files that its problem names.

    A stage may run where those files are not, so nothing but the experiment may be needed.

    Raises
    ------
    ConfigurationError
        If a file cannot be read, or a setting is not valid.
    """
    kind = experiment.problem.kind
    found = problem_class(kind)
    try:
        settings = found.embed(experiment.problem.settings, folder)
    except ValidationError as error:
        raise explain(error, found.Settings, "problem") from error
    known = {"kind": kind, "read_from": experiment.problem.read_from}
    table = type(experiment.problem).model_validate({**known, **settings})
    return experiment.model_copy(update={"problem": table})
