"""The quantum stage: runs the circuit at the best angles and measures the cost."""

from __future__ import annotations

import hashlib
import math
import socket
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hybrid_parsl.errors import HybridParslError, QuantumJobError
from hybrid_parsl.experiment import shots_of_precision
from hybrid_parsl.messages import shown
from hybrid_parsl.mitigation_options import ZneOptions
from hybrid_parsl.problems.ising_problem import without_offset
from hybrid_parsl.problems.pauli_sum import is_diagonal
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.quantum.mitigation import mitigated_estimate, mitigation_shots
from hybrid_parsl.quantum.pauli_estimator import measured_groups
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.results import Bitstrings, Circuit, Execution, Mitigation, RawExpectation, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.problems.problem import Problem
    from hybrid_parsl.quantum import QuantumBackend
    from hybrid_parsl.results import SearchResult


class Measurement(NamedTuple):
    """The measured cost: its value, its standard error, and what was counted for it."""

    energy: float
    standard_error: float
    shots: int
    n_bases: int
    counts: dict[str, int]


def sample(experiment: Experiment, search: SearchResult) -> Sample:
    """Measure the cost of the problem at the angles that the search found.

    A cost of products of Z is the mean over measured bitstrings. Any other is estimated by
    `expectation`. With error mitigation, this value is the raw one, and `mitigate` gives the
    other in a second job; the bitstrings are those of the first.

    Parameters
    ----------
    experiment
        Its problem and its table ``[quantum]`` are used.
    search
        Its parameters are used.

    Raises
    ------
    ConfigurationError
        If the problem or the backend is not valid.
    QuantumJobError
        If the sampler or estimator failed or cannot run this circuit, or the errors cannot be
        mitigated.
    """
    began = time.perf_counter()
    experiment.own_code.provide()
    problem = build_problem(experiment.problem)
    backend = open_backend(experiment.quantum)
    circuit = problem.circuit(search.parameters)
    observable = problem.observable()
    by_bitstrings = is_diagonal(observable)
    described = describe(circuit, measured=by_bitstrings)
    submitted = circuit.measure_all(inplace=False) if by_bitstrings else circuit
    prepared = prepare(submitted, backend)
    measuring = time.perf_counter()
    if by_bitstrings:
        found = _mean_of_bitstrings(problem, measure(circuit, backend, prepared))
    else:
        found = expectation(circuit, observable, backend, prepared)
    ended = time.perf_counter()
    sampled = Sample(
        **found._asdict(),
        expectation=found.energy,
        backend=backend.name,
        circuit=described,
        transpiled=backend.transpiled(submitted, prepared),
        execution=_execution(began),
    )
    if experiment.quantum.mitigation_settings is not None:
        without = prepared.remove_final_measurements(inplace=False) if by_bitstrings else prepared
        sampled = mitigate(sampled, without, observable, backend, ended - measuring)
    return sampled.model_copy(update={**_usage(backend), "execution": _execution(began)})


def planned_shots(experiment: Experiment) -> int:
    """Return how many shots `sample` takes, those of the mitigation included.

    An estimator that decides on its shots by itself may take another number.

    Parameters
    ----------
    experiment
        Its problem and its table ``[quantum]`` are used.

    Raises
    ------
    ConfigurationError
        If the problem is not valid.
    """
    settings = experiment.quantum
    observable = build_problem(experiment.problem).observable()
    _, groups = measured_groups(observable)
    n_bases = 1 if is_diagonal(observable) else len(groups)
    options = settings.mitigation_settings
    extra = 0 if options is None else mitigation_shots(groups, settings.shots, options)
    return n_bases * settings.shots + extra


def sample_bitstrings(experiment: Experiment, search: SearchResult) -> Bitstrings:
    """Measure all qubits of the circuit at the angles that the search found.

    No expectation value is computed, so the cost may have any terms, and errors are not mitigated.

    Parameters
    ----------
    experiment
        Its problem and its table ``[quantum]`` are used.
    search
        Its parameters are used.

    Raises
    ------
    ConfigurationError
        If the problem or the backend is not valid.
    QuantumJobError
        If the sampler failed or cannot run this circuit.
    """
    began = time.perf_counter()
    experiment.own_code.provide()
    circuit = build_problem(experiment.problem).circuit(search.parameters)
    backend = open_backend(experiment.quantum)
    submitted = circuit.measure_all(inplace=False)
    prepared = prepare(submitted, backend)
    counts = measure(circuit, backend, prepared)
    return Bitstrings(
        counts=counts,
        shots=sum(counts.values()),
        backend=backend.name,
        circuit=describe(circuit),
        transpiled=backend.transpiled(submitted, prepared),
        **_usage(backend),
        execution=_execution(began),
    )


def _usage(backend: QuantumBackend) -> dict[str, Any]:
    """Return the jobs and the time of a QPU, by the names that results give them."""
    return {} if backend.usage is None else backend.usage._asdict()


def _execution(began: float) -> Execution:
    """Return where this process ran, and how long since `began`."""
    duration_s = time.perf_counter() - began
    return Execution(duration_s=duration_s, n_ranks=1, hosts=[socket.gethostname()])


def mitigate(
    sample: Sample,
    prepared: QuantumCircuit,
    observable: SparsePauliOp,
    backend: QuantumBackend,
    raw_seconds: float,
) -> Sample:
    """Return a sample with its expectation value mitigated.

    Parameters
    ----------
    sample
        What was measured without mitigation: its expectation value becomes `raw`.
    prepared
        The same circuit as the backend prepared it, without measurements.
    observable
        On the qubits of the circuit before it was prepared.
    backend
        Its sampler runs the circuits of the mitigation, and its table ``[quantum]`` says how.
    raw_seconds
        How long the measurement without mitigation took.

    Raises
    ------
    QuantumJobError
        If the backend failed, a gate cannot be folded, the readout is too unreliable, or the
        values do not suit the extrapolation.
    """
    settings = backend.settings
    options = settings.mitigation_settings
    if options is None:
        return sample
    began = time.perf_counter()
    try:
        found = mitigated_estimate(prepared, observable, backend, options)
    except HybridParslError:
        raise
    except Exception as error:  # a backend may raise anything
        raise _failed(backend, error) from error
    mitigation = Mitigation(
        method="readout" if settings.mitigation == "readout" else "zne",
        shots=found.shots,
        seconds=time.perf_counter() - began,
        twirls=options.twirls,
        calibration_shots=found.calibration_shots,
        least_readout=found.least_readout,
        noise_factors=found.noise_factors,
        expectations=found.values,
        standard_errors=found.standard_errors,
        constant=found.constant,
        extrapolation=options.extrapolation if isinstance(options, ZneOptions) else None,
    )
    raw = RawExpectation(
        expectation=sample.expectation,
        standard_error=sample.standard_error,
        seconds=raw_seconds,
    )
    return sample.model_copy(
        update={
            "energy": found.value,
            "expectation": found.value,
            "standard_error": found.standard_error,
            "raw": raw,
            "mitigation": mitigation,
        }
    )


def prepare(circuit: QuantumCircuit, backend: QuantumBackend) -> QuantumCircuit:
    """Return a circuit as a backend runs it.

    Raises
    ------
    QuantumJobError
        If the backend failed.
    """
    try:
        return backend.prepare(circuit)
    except HybridParslError:
        raise
    except Exception as error:  # a backend may raise anything
        raise _failed(backend, error) from error


def _failed(backend: QuantumBackend, error: Exception) -> QuantumJobError:
    """Return what an exception of a backend becomes."""
    reason = str(error).strip("'\"") or type(error).__name__
    return QuantumJobError(backend.settings.backend, reason)


def _mean_of_bitstrings(problem: Problem, counts: dict[str, int]) -> Measurement:
    """Return the mean cost of the bitstrings that a sampler gave."""
    of_each = np.array(list(counts.values()), dtype=np.float64)
    bare, offset = without_offset(problem)
    energy, standard_error = mean_energy(bare.energies(list(counts)), of_each)
    shots = sum(counts.values())
    if shots == 1:
        standard_error = largest_deviation(problem.observable())
    return Measurement(energy + offset, standard_error, shots, 1, counts)


def largest_deviation(observable: SparsePauliOp) -> float:
    """Return a bound of the standard deviation of one measurement of an observable.

    That is the sum of the absolute coefficients besides that of the identity: values differ from
    it by no more. A single shot shows no spread of its own.
    """
    terms = observable.simplify()
    is_identity = ~(terms.paulis.x.any(axis=1) | terms.paulis.z.any(axis=1))
    return float(np.abs(terms.coeffs[~is_identity]).sum())


def expectation(
    circuit: QuantumCircuit,
    observable: SparsePauliOp,
    backend: QuantumBackend,
    prepared: QuantumCircuit | None = None,
) -> Measurement:
    """Estimate the expectation value of an observable after a circuit.

    The terms are divided into sets that commute qubit by qubit, and each set is a PUB of its
    own: their errors are independent, so the variances add up. The identity is not measured.

    Parameters
    ----------
    circuit
        Without measurements.
    observable
        On the qubits of the circuit, with real coefficients.
    backend
        Its estimator runs the circuit, with the precision of its table ``[quantum]``.
    prepared
        What `prepare` returned for the circuit, if it was called before.

    Raises
    ------
    QuantumJobError
        If the backend failed, or gave no finite expectation values and standard errors.
    """
    identity, groups = measured_groups(observable)
    if not groups:
        return Measurement(identity, 0.0, 0, 0, {})
    name = backend.settings.backend
    prepared = prepared or prepare(circuit, backend)
    try:
        found = _estimates(prepared, groups, backend)
    except HybridParslError:
        raise
    except Exception as error:  # a backend may raise anything
        raise _failed(backend, error) from error
    if len(found) != len(groups):
        reason = f"it gave {len(found)} results for {len(groups)} observables"
        raise QuantumJobError(name, reason)
    for value, spread, _ in found:
        if not (math.isfinite(value) and math.isfinite(spread) and spread >= 0):
            reason = f"it gave the expectation value {value} with the standard error {spread}"
            raise QuantumJobError(name, reason)
    values, spreads, shots = zip(*found, strict=True)
    energy = identity + math.fsum(values)
    return Measurement(energy, math.hypot(*spreads), sum(shots), len(groups), {})


def _estimates(
    prepared: QuantumCircuit, groups: Sequence[SparsePauliOp], backend: QuantumBackend
) -> list[tuple[float, float, int]]:
    """Return value, standard error and shots of each set of terms, as the backend gives them."""
    precision = backend.settings.target_precision
    layout = prepared.layout
    if layout is not None:
        groups = [group.apply_layout(layout) for group in groups]
    pubs = [(prepared, group) for group in groups]
    results = backend.estimator().run(pubs, precision=precision).result()
    return [
        (float(result.data.evs), float(result.data.stds), _shots_of(result, precision))
        for result in results
    ]


def _shots_of(result: Any, precision: float) -> int:
    """Return the shots that a result reports; those that the precision requires if it does not."""
    reported = result.metadata.get("shots")
    return shots_of_precision(precision) if reported is None else int(reported)


def measure(
    circuit: QuantumCircuit, backend: QuantumBackend, prepared: QuantumCircuit | None = None
) -> dict[str, int]:
    """Measure all qubits of a circuit; return how often each bitstring came, sorted.

    Parameters
    ----------
    circuit
        Without measurements.
    backend
        Runs the circuit, with the number of shots of its table ``[quantum]``.
    prepared
        What `prepare` returned for them, if it was called before.

    Raises
    ------
    QuantumJobError
        If the backend failed, or gave something other than counts of bitstrings.
    """
    quantum = backend.settings
    prepared = prepared or prepare(circuit.measure_all(inplace=False), backend)
    try:
        job = backend.sampler().run([prepared], shots=quantum.shots)
        register = prepared.cregs[-1].name  # that of measure_all comes after the circuit's own
        returned = getattr(job.result()[0].data, register).get_counts()
        counts = {str(bits): int(count) for bits, count in returned.items()}
    except HybridParslError:
        raise
    except Exception as error:  # a backend may raise anything
        raise _failed(backend, error) from error
    n_qubits = circuit.num_qubits
    for bits, count in counts.items():
        if len(bits) != n_qubits or bits.strip("01") or count < 0:
            reason = f"it gave {shown(bits)}: {count}, but {n_qubits} qubits were measured"
            raise QuantumJobError(quantum.backend, reason)
    if not any(counts.values()):
        raise QuantumJobError(quantum.backend, "it gave no counts")
    return {bits: count for bits, count in sorted(counts.items()) if count}


def mean_energy(energies: NDArray[float64], counts: NDArray[float64]) -> tuple[float, float]:
    """Return the mean of a sample and its standard error.

    Parameters
    ----------
    energies
        Energy of each distinct outcome, shape ``(n_outcomes,)``.
    counts
        How often each came, shape ``(n_outcomes,)``, not all 0.
    """
    shots = float(counts.sum())
    mean = float(energies @ counts) / shots
    if shots <= 1:
        return mean, 0.0  # unknown: see largest_deviation
    variance = float((energies - mean) ** 2 @ counts) / (shots - 1)
    return mean, float(np.sqrt(variance / shots))


def describe(circuit: QuantumCircuit, *, measured: bool = True) -> Circuit:
    """Return the record of a circuit that is about to be run.

    Parameters
    ----------
    circuit
        Without measurements.
    measured
        Whether the record ends with a measurement of all qubits; an estimator measures in
        bases of its own.

    Raises
    ------
    QuantumJobError
        If OpenQASM 3 has no words for one of its parts.
    """
    from qiskit import qasm3

    try:
        text = qasm3.dumps(circuit.measure_all(inplace=False) if measured else circuit)
    except qasm3.QASM3ExporterError as error:
        raise QuantumJobError("OpenQASM 3", str(error)) from error
    return Circuit(
        qasm3=text,
        n_qubits=circuit.num_qubits,
        depth=circuit.depth(),
        n_gates=circuit.size(),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
