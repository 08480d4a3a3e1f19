"""The QPU time of the quantum stage, before a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.optimize.optimizer import seeded_point
from hybrid_parsl.problems.pauli_sum import is_diagonal
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.quantum.backend import LIMIT_KEY
from hybrid_parsl.quantum.mitigation import MitigationCircuits
from hybrid_parsl.quantum.pauli_estimator import measured_groups
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.stages.quantum import prepare

if TYPE_CHECKING:
    from collections.abc import Collection

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.quantum.qpu_time import QpuEstimate

MITIGATION_KEY = "quantum.mitigation"


BITSTRINGS = "hybrid_parsl.stages.quantum:sample_bitstrings"
"""The function that measures bitstrings only; any other is taken to measure the cost."""


def estimate_qpu(experiment: Experiment, functions: Collection[str] = ()) -> dict[str, QpuEstimate]:
    """Return the QPU time of each job of one quantum task of an experiment.

    The circuit is that of any angles: the angles of the best start are not known before the run,
    and change the duration of the circuit by a few gates at most.

    Parameters
    ----------
    experiment
        Its problem, its ansatz and its table ``[quantum]`` are used.
    functions
        The stages of its workflow, as ``module:function``.

    Returns
    -------
    dict[str, QpuEstimate]
        By ``measurement`` and ``mitigation``; empty if no QPU time is needed, or this host cannot
        reach the QPU.

    Raises
    ------
    ConfigurationError
        If the account or the device cannot be used, or its errors cannot be mitigated.
    BackendUnavailableError
        If the service does not answer.
    """
    backend = open_backend(experiment.quantum)
    if not (backend.is_remote and backend.is_reachable):
        return {}
    problem = build_problem(experiment.problem)
    bounds = problem.bounds(experiment.ansatz.layers)
    circuit = problem.circuit(seeded_point(bounds, 0, 0).tolist())
    observable = problem.observable()
    only_bitstrings = BITSTRINGS in functions
    _, groups = measured_groups(observable)
    if not (only_bitstrings or groups or is_diagonal(observable)):
        return {}
    prepared = prepare(circuit, backend)
    if only_bitstrings or is_diagonal(observable):
        measured = prepare(circuit.measure_all(inplace=False), backend)
        jobs = {"measurement": backend.estimate_usage([measured])}
    else:
        if prepared.layout is not None:
            groups = [group.apply_layout(prepared.layout) for group in groups]
        jobs = {"measurement": backend.estimate_usage([prepared], groups)}
    options = experiment.quantum.mitigation_settings
    if options is not None and groups and not only_bitstrings:
        try:
            asked = MitigationCircuits(prepared, observable, backend, options)
            jobs["mitigation"] = backend.estimate_usage(asked.circuits, (), asked.shots)
        except ValueError as error:
            raise ConfigurationError(str(error), None, MITIGATION_KEY) from error
    return {name: estimate for name, estimate in jobs.items() if estimate is not None}


def check_qpu_time(experiment: Experiment, functions: Collection[str] = ()) -> None:
    """Refuse an experiment that would need more QPU time than it allows.

    Parameters
    ----------
    experiment, functions
        As for `estimate_qpu`.

    Raises
    ------
    ConfigurationError
        If the estimate exceeds ``quantum.max_qpu_seconds``.
    """
    limit = experiment.quantum.max_qpu_seconds
    if limit is None:
        return
    estimates = estimate_qpu(experiment, functions).values()
    seconds = sum(each.seconds for each in estimates)
    if seconds <= limit:
        return
    message = f"the run would need more QPU time than {limit:g} s"
    executions = sum(each.executions for each in estimates)
    found = f"{seconds:.2f} s estimated for {executions} executions"
    valid = f"at least {math.ceil(100 * seconds) / 100:.2f}, or fewer quantum.shots"
    raise ConfigurationError(message, None, LIMIT_KEY, found, valid)
