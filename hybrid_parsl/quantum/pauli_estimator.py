"""An estimator of Pauli observables on top of any sampler, with a standard error that holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.experiment import shots_of_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit
    from qiskit.primitives import BitArray, PrimitiveJob, PrimitiveResult, PubResult
    from qiskit.primitives.containers.estimator_pub import EstimatorPub
    from qiskit.quantum_info import SparsePauliOp
    from qiskit.transpiler import Target

REGISTER = "measured_basis"
"""Name of the classical register that `in_basis` adds."""
_MOST_SIGNS = 2**22  # that are held at a time


@dataclass(frozen=True)
class Estimate:
    """The mean of an observable over measured shots.

    Attributes
    ----------
    value
        The mean, in the unit of the observable's coefficients.
    variance
        Of `value`, in that unit squared.
    """

    value: float
    variance: float


class PauliEstimator:
    """Estimate expectation values by sampling; shaped like Qiskit's ``BaseEstimatorV2``.

    The terms of an observable are divided into sets that commute qubit by qubit. All terms of a
    set are measured by the same shots, after one rotation of each qubit. The standard error is
    that of the mean over these shots, so it includes how the terms of a set are correlated; the
    variances of different sets, whose shots are independent, add up (McClean, Romero, Babbush &
    Aspuru-Guzik, New J. Phys. 18, 023023, 2016, section 3.4). Qiskit's ``BackendEstimatorV2``
    measures in the same way, but adds the standard errors of all terms as if their errors
    always had the same sign, which is an upper bound.

    The precision of a PUB is the largest standard error of a term of weight 1: each set is
    measured ``1 / precision**2`` times, rounded up. The metadata of each result hold
    ``target_precision``, ``shots`` (of one set, as in Qiskit) and ``n_bases`` (the sets).

    Parameters
    ----------
    sampler
        Makes a sampler, shaped like ``BaseSamplerV2``, of a seed below 2**32.
    seed
        Each set of each PUB is measured with a seed derived from this one.
    precision
        The precision where neither a PUB nor `run` specifies one, above 0.
    target
        What the rotations are translated to; without one they are the gates H and S^dagger.
    """

    def __init__(
        self,
        sampler: Callable[[int], Any],
        seed: int,
        precision: float,
        target: Target | None = None,
    ) -> None:
        self._sampler = sampler
        self._seed = seed
        self._precision = precision
        self._target = target

    def run(
        self, pubs: Iterable[Any], *, precision: float | None = None
    ) -> PrimitiveJob[PrimitiveResult[PubResult]]:
        """Start a job; parameters and result are those of ``BaseEstimatorV2.run``.

        Raises
        ------
        ValueError
            If a precision is not above 0: sampling is never exact.
        """
        from qiskit.primitives import PrimitiveJob
        from qiskit.primitives.containers.estimator_pub import EstimatorPub

        default = self._precision if precision is None else precision
        coerced = [EstimatorPub.coerce(pub, default) for pub in pubs]
        for pub in coerced:
            if not pub.precision or pub.precision <= 0:
                message = f"the precision of an estimate has to be above 0, not {pub.precision}"
                raise ValueError(message)
        job = PrimitiveJob(self._run, coerced)
        job._submit()  # noqa: SLF001 - as each primitive of Qiskit does
        return job

    def _run(self, pubs: Sequence[EstimatorPub]) -> PrimitiveResult[PubResult]:
        """Estimate all PUBs, one after the other."""
        from qiskit.primitives import PrimitiveResult

        results = [self._run_pub(pub, index) for index, pub in enumerate(pubs)]
        return PrimitiveResult(results, metadata={"version": 2})

    def _run_pub(self, pub: EstimatorPub, number: int) -> PubResult:
        """Estimate each observable of a PUB for each set of its parameter values."""
        from qiskit.primitives import DataBin, PubResult

        places = np.fromiter(np.ndindex(pub.parameter_values.shape), dtype=object)
        places = places.reshape(pub.parameter_values.shape)
        places, observables = np.broadcast_arrays(places, pub.observables)
        values, errors = np.zeros(places.shape), np.zeros(places.shape)
        shots, n_bases = shots_of_precision(pub.precision), 0
        for index in np.ndindex(places.shape):
            circuit = pub.parameter_values.bind(pub.circuit, places[index])
            terms: Mapping[str, float] = observables[index]  # type: ignore[assignment]
            identity, groups = measured_groups(pauli_sum(terms))
            estimates = [
                self._measure(circuit, group, shots, self._seed_of(number, n_bases + basis))
                for basis, group in enumerate(groups)
            ]
            n_bases += len(groups)
            values[index] = identity + math.fsum(each.value for each in estimates)
            errors[index] = math.sqrt(math.fsum(each.variance for each in estimates))
        return PubResult(
            DataBin(evs=values, stds=errors, shape=values.shape),
            metadata={"target_precision": pub.precision, "shots": shots, "n_bases": n_bases},
        )

    def _seed_of(self, pub: int, basis: int) -> int:
        """Return the seed of one basis of one PUB."""
        return int(np.random.SeedSequence([self._seed, pub, basis]).generate_state(1)[0])

    def _measure(
        self, circuit: QuantumCircuit, group: SparsePauliOp, shots: int, seed: int
    ) -> Estimate:
        """Measure terms that commute qubit by qubit."""
        measured = in_basis(circuit, group, self._target)
        result = self._sampler(seed).run([measured], shots=shots).result()[0]
        return estimate(group, result.data[REGISTER])


def pauli_sum(terms: Mapping[str, float]) -> SparsePauliOp:
    """Return an observable of a PUB, such as ``{"XX": 0.5}``, as a sum of Pauli strings."""
    from qiskit.quantum_info import SparseObservable, SparsePauliOp

    n_qubits = len(next(iter(terms), ""))
    observable = SparseObservable.from_list(list(terms.items()), num_qubits=n_qubits)
    return SparsePauliOp.from_sparse_observable(observable)


def measured_groups(observable: SparsePauliOp) -> tuple[float, list[SparsePauliOp]]:
    """Divide an observable into sets of terms that one setting of the measurement gives.

    Parameters
    ----------
    observable
        With real coefficients.

    Returns
    -------
    identity
        The coefficient of the identity, which needs no measurement.
    groups
        Sums of terms that commute qubit by qubit; none if nothing else is left.
    """
    simplified = observable.simplify(atol=0, rtol=0)
    is_identity = ~(simplified.paulis.x | simplified.paulis.z).any(axis=1)
    identity = float(simplified.coeffs[is_identity].real.sum())
    rest = simplified[~is_identity]
    return identity, list(rest.group_commuting(qubit_wise=True)) if len(rest.coeffs) else []


def in_basis(
    circuit: QuantumCircuit,
    group: SparsePauliOp,
    target: Target | None = None,
    qubits: Sequence[int] | None = None,
    flips: Sequence[bool] = (),
) -> QuantumCircuit:
    """Return a circuit followed by the rotations and measurements for a set of terms.

    Parameters
    ----------
    circuit
        Without measurements.
    group
        Terms that commute qubit by qubit, on its qubits.
    target
        What the rotations are translated to, if there is one.
    qubits
        Qubits to measure, ascending; those that have a term if left out.
    flips
        Whether each measured qubit is flipped just before its measurement; none by default.
    """
    from qiskit import ClassicalRegister, QuantumCircuit

    x, z = group.paulis.x.any(axis=0), group.paulis.z.any(axis=0)
    measured_qubits = np.flatnonzero(x | z).tolist() if qubits is None else list(qubits)
    rotations = QuantumCircuit(circuit.num_qubits)
    for qubit in np.flatnonzero(x).tolist():
        if z[qubit]:
            rotations.sdg(qubit)
        rotations.h(qubit)
    for qubit, is_flipped in zip(measured_qubits, flips, strict=False):
        if is_flipped:
            rotations.x(qubit)
    if target is not None:
        from qiskit.transpiler import PassManager
        from qiskit.transpiler.passes import Optimize1qGatesDecomposition

        rotations = PassManager([Optimize1qGatesDecomposition(target=target)]).run(rotations)
    measured = circuit.compose(rotations)
    bits = ClassicalRegister(len(measured_qubits), REGISTER)
    measured.add_register(bits)
    measured.measure(measured_qubits, bits)
    return measured


def estimate(group: SparsePauliOp, bits: BitArray, qubits: Sequence[int] | None = None) -> Estimate:
    """Return the mean over shots of a sum of terms, with the variance of the mean.

    Parameters
    ----------
    group
        Terms that commute qubit by qubit.
    bits
        What was measured of `qubits` in the basis of the group. Of a single shot, whose spread
        is not known, the variance is the largest possible.
    qubits
        The measured qubits, ascending; those that have a term if left out.
    """
    support = group.paulis.x | group.paulis.z
    masks = support[:, support.any(axis=0) if qubits is None else list(qubits)]
    counts = bits.get_counts()
    how_often = np.array(list(counts.values()), dtype=np.float64)
    energies = signed_sums(list(counts), masks, group.coeffs.real)
    shots = float(how_often.sum())
    mean = float(energies @ how_often) / shots
    if shots <= 1:
        return Estimate(mean, float(np.abs(group.coeffs).sum()) ** 2)
    variance = float((energies - mean) ** 2 @ how_often) / (shots - 1)
    return Estimate(mean, variance / shots)


def signed_sums(
    bitstrings: Sequence[str], masks: NDArray[Any], coefficients: NDArray[float64]
) -> NDArray[float64]:
    """Return the sum of the terms, each with the sign of its parity, for each bitstring.

    Parameters
    ----------
    bitstrings
        In Qiskit's bit order.
    masks
        Whether a term has a bit, shape ``(n_terms, n_bits)``, bit 0 first.
    coefficients
        Of each term, shape ``(n_terms,)``, or ``(n_terms, n_sums)`` for several sums.

    Returns
    -------
    NDArray[float64]
        Shape ``(n_bitstrings,)`` or ``(n_bitstrings, n_sums)``.
    """
    sums = np.empty((len(bitstrings), *coefficients.shape[1:]))
    for part, signs in _signs(bitstrings, masks):
        sums[part] = signs @ coefficients
    return sums


def mean_signs(bits: BitArray, masks: NDArray[Any]) -> NDArray[float64]:
    """Return the mean sign of the parity of each term over all shots, shape ``(n_terms,)``.

    Parameters
    ----------
    bits
        At least one shot.
    masks
        Whether a term has a bit, shape ``(n_terms, n_bits)``, bit 0 first.
    """
    counts = bits.get_counts()
    how_often = np.array(list(counts.values()), dtype=np.float64)
    sums = np.zeros(len(masks))
    for part, signs in _signs(list(counts), masks):
        sums += how_often[part] @ signs
    return np.asarray(sums / how_often.sum(), dtype=np.float64)


def _signs(
    bitstrings: Sequence[str], masks: NDArray[Any]
) -> Iterator[tuple[slice, NDArray[float64]]]:
    """Yield the signs of some bitstrings at a time, shape ``(n_bitstrings, n_terms)``."""
    text = "".join(bitstrings).encode()
    ones = np.frombuffer(text, dtype=np.uint8).reshape(len(bitstrings), -1)[:, ::-1] == ord("1")
    at_once = max(1, _MOST_SIGNS // len(masks))
    for first in range(0, len(bitstrings), at_once):
        part = slice(first, first + at_once)
        yield part, 1 - 2 * (ones[part].astype(np.float64) @ masks.T.astype(np.float64) % 2)
