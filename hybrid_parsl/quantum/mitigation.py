"""Expectation values with the errors of the device mitigated, over any backend's sampler.

All circuits of an estimate are one job: each measurement basis at each noise factor with each
pattern of bit flips, and the calibration with the same patterns. Every circuit measures the same
qubits, so that the calibration holds for errors that depend on which qubits are read together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.mitigation_options import ZneOptions
from hybrid_parsl.quantum.extrapolation import extrapolate
from hybrid_parsl.quantum.folding import fold
from hybrid_parsl.quantum.pauli_estimator import (
    REGISTER,
    estimate,
    in_basis,
    mean_signs,
    measured_groups,
)
from hybrid_parsl.quantum.readout import ReadoutCalibration, draw_flips, undo_flips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import bool_, float64
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit
    from qiskit.primitives import BitArray
    from qiskit.quantum_info import SparsePauliOp

    from hybrid_parsl.mitigation_options import ReadoutOptions
    from hybrid_parsl.quantum.backend import QuantumBackend

_STREAM = 0x7715  # of random numbers: that of the flips, apart from those of the shots


@dataclass(frozen=True)
class MitigatedEstimate:
    """A mitigated expectation value.

    Attributes
    ----------
    value, standard_error
        In the unit of the observable.
    shots
        Number of shots of all circuits, those of the calibration included.
    calibration_shots
        Those of the calibration alone.
    noise_factors
        At which it was measured: only 1 without extrapolation.
    values, standard_errors
        At each noise factor, with the readout mitigated.
    constant
        The part of `value` that was not measured.
    least_readout
        The smallest factor that the readout multiplies a term's expectation value by, 0 to 1.
    """

    value: float
    standard_error: float
    shots: int
    calibration_shots: int
    noise_factors: list[int]
    values: list[float]
    standard_errors: list[float]
    constant: float
    least_readout: float


def mitigated_estimate(
    circuit: QuantumCircuit,
    observable: SparsePauliOp,
    backend: QuantumBackend,
    options: ReadoutOptions,
) -> MitigatedEstimate:
    """Estimate an expectation value with the readout mitigated; with `ZneOptions`, all noise.

    The standard error includes, to first order, the shots of the circuits and those of the
    calibration. All terms of a set that is measured together come from the same shots, so the
    spread of their sum is used, as in `PauliEstimator`. The calibration is common to all sets and
    noise factors: its covariance is carried through to the end. Not included is what the methods
    assume: that the readout of |0...0> is like that of the circuit, and that the errors of the
    gates follow the extrapolated function.

    Parameters
    ----------
    circuit
        As the backend prepared it, without measurements.
    observable
        On the qubits of the circuit before it was prepared, with real coefficients.
    backend
        Its sampler runs all circuits as one job: the shots of its table ``[quantum]`` for each
        measurement basis and noise factor and for the calibration, divided among the patterns
        and rounded up.
    options
        How to mitigate.

    Raises
    ------
    ValueError
        If the calibration or the extrapolation is impossible, or a gate cannot be folded.
    """
    measured = MitigationCircuits(circuit, observable, backend, options)
    factors, identity = measured.noise_factors, measured.constant
    if not measured.groups:
        n = len(factors)
        return MitigatedEstimate(
            identity, 0.0, 0, 0, factors, [identity] * n, [0.0] * n, identity, 1.0
        )
    calibration, outcomes = measured.run()
    masks = np.concatenate([measured.masks(group) for group in measured.groups])
    readout = calibration.factors(masks)
    values, spreads, slopes = zip(
        *(measured.evaluate(each, readout) for each in outcomes), strict=True
    )
    found = np.array(values)
    covariance = np.diag(spreads) + calibration.covariance(masks, np.array(slopes).T)
    if isinstance(options, ZneOptions):
        value, variance = extrapolate(factors, found, covariance, options.extrapolation)
    else:
        value, variance = float(found[0]), float(covariance[0, 0])
    return MitigatedEstimate(
        value=identity + value,
        standard_error=max(0.0, variance) ** 0.5,
        shots=measured.shots * len(measured.circuits),
        calibration_shots=calibration.shots,
        noise_factors=factors,
        values=(identity + found).tolist(),
        standard_errors=np.sqrt(np.diag(covariance)).tolist(),
        constant=identity,
        least_readout=float(readout.min()),
    )


def mitigation_shots(groups: Sequence[SparsePauliOp], shots: int, options: ReadoutOptions) -> int:
    """Return how many shots `mitigated_estimate` takes, the calibration included.

    Parameters
    ----------
    groups
        Sets of terms that are measured together.
    shots
        Those of the table ``[quantum]``.
    options
        How to mitigate.
    """
    if not groups:
        return 0
    support = [(each.paulis.x | each.paulis.z).any(axis=0) for each in groups]
    n_patterns: int = min(options.twirls, 2 ** int(np.any(support, axis=0).sum()))
    n_factors = len(options.noise_factors) if isinstance(options, ZneOptions) else 1
    return -(-shots // n_patterns) * n_patterns * (len(groups) * n_factors + 1)


class MitigationCircuits:
    """The circuits of a mitigated estimate, and what they give.

    Parameters
    ----------
    circuit, observable, backend, options
        As for `mitigated_estimate`.

    Attributes
    ----------
    constant
        Coefficient of the identity, which is not measured.
    groups
        Sets of terms that are measured together, on the qubits of the circuit.
    noise_factors
        At which each group is measured: only 1 without extrapolation.
    shots
        Of each circuit.

    Raises
    ------
    ValueError
        If a gate cannot be folded.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        observable: SparsePauliOp,
        backend: QuantumBackend,
        options: ReadoutOptions,
    ) -> None:
        self.constant, groups = measured_groups(observable)
        if circuit.layout is not None:
            groups = [group.apply_layout(circuit.layout) for group in groups]
        self.groups = groups
        self.noise_factors = options.noise_factors if isinstance(options, ZneOptions) else [1]
        self._circuit = circuit
        self._backend = backend
        support = [(each.paulis.x | each.paulis.z).any(axis=0) for each in groups]
        self._qubits: list[int] = np.flatnonzero(np.any(support, axis=0)).tolist()
        rng = np.random.default_rng([backend.settings.seed, _STREAM])
        self._patterns = draw_flips(max(1, len(self._qubits)), options.twirls, rng)
        self.shots = -(-backend.settings.shots // len(self._patterns))

    @cached_property
    def circuits(self) -> list[QuantumCircuit]:
        """Each noise factor, group and pattern; the calibration of each pattern comes last."""
        target = self._backend.target
        bases = [
            (fold(self._circuit, factor, target), group)
            for factor in self.noise_factors
            for group in self.groups
        ]
        bases.append((self._circuit.copy_empty_like(), self._all_z()))
        return [
            in_basis(circuit, group, target, self._qubits, pattern)
            for circuit, group in bases
            for pattern in self._patterns
        ]

    def masks(self, group: SparsePauliOp) -> NDArray[bool_]:
        """Return whether each term of a group has each measured qubit."""
        masks: NDArray[bool_] = (group.paulis.x | group.paulis.z)[:, self._qubits]
        return masks

    def run(self) -> tuple[ReadoutCalibration, list[list[BitArray]]]:
        """Run all circuits; return the calibration, and for each factor the shots of each group."""
        circuits, n_patterns = self.circuits, len(self._patterns)
        results = list(self._backend.sampler().run(circuits, shots=self.shots).result())
        if len(results) != len(circuits):
            message = f"it gave {len(results)} results for {len(circuits)} circuits"
            raise ValueError(message)
        counts = [getattr(result.data, REGISTER).get_counts() for result in results]
        bits = [
            undo_flips(counts[first : first + n_patterns], self._patterns)
            for first in range(0, len(counts), n_patterns)
        ]
        n = len(self.groups)
        return ReadoutCalibration(bits[-1]), [
            bits[first : first + n] for first in range(0, n * len(self.noise_factors), n)
        ]

    def evaluate(
        self, outcomes: Sequence[BitArray], readout: NDArray[float64]
    ) -> tuple[float, float, NDArray[float64]]:
        """Return value and variance at one noise factor, and what they owe to the calibration.

        Parameters
        ----------
        outcomes
            The shots of each group.
        readout
            Factor of each term, all groups one after the other.

        Returns
        -------
        value, variance
            Of the sum of all terms; the variance for known factors of the readout.
        slopes
            Derivative of the value with respect to each factor.
        """
        value = variance = 0.0
        slopes, first = np.empty(len(readout)), 0
        for group, bits in zip(self.groups, outcomes, strict=True):
            part = slice(first, first + len(group))
            first = part.stop
            corrected = type(group)(group.paulis, group.coeffs / readout[part])
            found = estimate(corrected, bits, self._qubits)
            value, variance = value + found.value, variance + found.variance
            means = mean_signs(bits, self.masks(group))
            slopes[part] = -group.coeffs.real * means / readout[part] ** 2
        return value, variance, slopes

    def _all_z(self) -> SparsePauliOp:
        """Return the product of Z on all measured qubits, whose basis needs no rotations."""
        from qiskit.quantum_info import SparsePauliOp

        label = ["I"] * self._circuit.num_qubits
        for qubit in self._qubits:
            label[-1 - qubit] = "Z"
        return SparsePauliOp("".join(label))
