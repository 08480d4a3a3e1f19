"""The QPU time of the quantum stage, before a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.optimize.optimizer import seeded_point
from hybrid_parsl.problems.pauli_sum import is_diagonal
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.quantum.pauli_estimator import measured_groups
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.stages.quantum import prepare

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.quantum import QuantumBackend
    from hybrid_parsl.quantum.qpu_time import QpuEstimate

LIMIT_KEY = "quantum.max_qpu_seconds"


def estimate_qpu(
    experiment: Experiment, backend: QuantumBackend | None = None
) -> QpuEstimate | None:
    """Return the QPU time that one quantum task of an experiment needs; None if it needs none.

    The circuit is that of any angles: the angles of the best start are not known before the run,
    and change the duration of the circuit by a few gates at most.

    Parameters
    ----------
    experiment
        Its problem, its ansatz and its table ``[quantum]`` are used.
    backend
        That of the experiment, if it is open already.

    Raises
    ------
    ConfigurationError
        If the account or the device cannot be used.
    BackendUnavailableError
        If the service does not answer.
    """
    backend = backend or open_backend(experiment.quantum)
    if not backend.is_remote:
        return None
    problem = build_problem(experiment.problem)
    bounds = problem.bounds(experiment.ansatz.layers)
    circuit = problem.circuit(seeded_point(bounds, 0, 0).tolist())
    observable = problem.observable()
    if is_diagonal(observable):
        return backend.estimate_usage(prepare(circuit.measure_all(inplace=False), backend), [])
    _, groups = measured_groups(observable)
    if not groups:
        return None
    prepared = prepare(circuit, backend)
    if prepared.layout is not None:
        groups = [group.apply_layout(prepared.layout) for group in groups]
    return backend.estimate_usage(prepared, groups)


def check_qpu_time(experiment: Experiment, backend: QuantumBackend) -> None:
    """Refuse an experiment that would need more QPU time than it allows.

    Raises
    ------
    ConfigurationError
        If the estimate exceeds ``quantum.max_qpu_seconds``.
    """
    limit = experiment.quantum.max_qpu_seconds
    estimate = None if limit is None else estimate_qpu(experiment, backend)
    if limit is None or estimate is None or estimate.seconds <= limit:
        return
    message = f"the run would need more QPU time than {limit:g} s"
    found = f"{estimate.seconds:.2f} s estimated for {estimate.executions} executions"
    valid = f"at least {estimate.seconds:.2f}, or fewer quantum.shots"
    raise ConfigurationError(message, None, LIMIT_KEY, found, valid)
