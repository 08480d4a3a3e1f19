"""Mitigation of readout errors by twirling: random bit flips before each measurement.

With a random flip of each measured bit, undone classically, any readout error becomes one that
multiplies the expectation value of each product of Z by a number of its own, whatever the state.
The same flips on the state |0...0>, for which all these expectation values are 1, measure these
numbers, and the expectation values are divided by them: TREX (van den Berg, Minev & Temme, Phys.
Rev. A 105, 032620, 2022).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.quantum.pauli_estimator import mean_signs, signed_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import bool_, float64
    from numpy.typing import NDArray
    from qiskit.primitives import BitArray

MOST_RELATIVE_ERROR = 0.1
"""Largest standard error of a readout factor, relative to it, that may be divided by."""


def draw_flips(n_qubits: int, twirls: int, rng: np.random.Generator) -> NDArray[bool_]:
    """Draw distinct patterns of bit flips, each with its complement.

    The average over a pattern and its complement is free of the error that a difference between
    the two readout errors of a qubit causes in the mean of that qubit, and the average over all
    draws is in any product (Smith, Khosla, Self & Kim, Sci. Adv. 7, eabi8009, 2021).

    Parameters
    ----------
    n_qubits
        Number of measured qubits, at least 1.
    twirls
        Number of patterns, even. If there are no more than that, all are returned.
    rng
        Draws them.

    Returns
    -------
    NDArray[bool_]
        Shape ``(n_patterns, n_qubits)``.
    """
    if 2**n_qubits <= twirls:
        numbers = np.arange(2**n_qubits)[:, None]
        return (numbers >> np.arange(n_qubits) & 1).astype(np.bool_)
    drawn: dict[bytes, NDArray[bool_]] = {}
    while 2 * len(drawn) < twirls:
        pattern = rng.integers(0, 2, n_qubits).astype(np.bool_)
        drawn.setdefault(min(pattern.tobytes(), (~pattern).tobytes()), pattern)
    half = np.array(list(drawn.values()))
    return np.concatenate([half, ~half])


def undo_flips(counts: Sequence[dict[str, int]], patterns: NDArray[bool_]) -> BitArray:
    """Return the shots of several patterns together, with their flips undone.

    Parameters
    ----------
    counts
        What was measured with each pattern, in Qiskit's bit order.
    patterns
        The flips, bit 0 first, shape ``(n_patterns, n_bits)``.

    Raises
    ------
    ValueError
        If a bitstring has another length than its pattern, or nothing was measured.
    """
    from qiskit.primitives import BitArray

    together: dict[str, int] = {}
    for measured, pattern in zip(counts, patterns, strict=True):
        change = str.maketrans("01", "10")
        for bits, count in measured.items():
            flipped = "".join(
                bit.translate(change) if is_flipped else bit
                for bit, is_flipped in zip(bits, pattern[::-1], strict=True)
            )
            together[flipped] = together.get(flipped, 0) + int(count)
    if not any(together.values()):
        message = "it gave no counts"
        raise ValueError(message)
    return BitArray.from_counts(together, num_bits=len(patterns[0]))


class ReadoutCalibration:
    """What the readout makes of the expectation values of products of Z.

    Parameters
    ----------
    bits
        What the calibration circuits gave, with their flips undone.

    Attributes
    ----------
    shots
        Number of shots.
    """

    def __init__(self, bits: BitArray) -> None:
        self._bits = bits
        self.shots = bits.num_shots

    def factors(self, masks: NDArray[bool_]) -> NDArray[float64]:
        """Return what each product is multiplied by, shape ``(n_terms,)``.

        Parameters
        ----------
        masks
            Whether a product has a Z on a measured qubit, shape ``(n_terms, n_qubits)``.

        Raises
        ------
        ValueError
            If one is below 10 times its standard error, so that nothing can be divided by it.
        """
        found, shots = mean_signs(self._bits, masks), self.shots
        errors = np.sqrt((1 - found**2) / max(1, shots - 1))
        if shots == 1 or (found * MOST_RELATIVE_ERROR < errors).any():
            worst = int(np.argmin(found))
            message = (
                f"readout mitigation is impossible: an expectation value that should be 1 was read "
                f"as {found[worst]:.3g} with the standard error {errors[worst]:.2g} in {shots} "
                f"shots. More quantum.shots may help"
            )
            raise ValueError(message)
        return found

    def covariance(self, masks: NDArray[bool_], coefficients: NDArray[float64]) -> NDArray[float64]:
        """Return the covariance of sums of the factors, due to the shots of the calibration.

        All sums come from the same shots, so that products with common qubits, and sums with
        common products, are correlated.

        Parameters
        ----------
        masks
            As in `factors`.
        coefficients
            Of each product in each sum, shape ``(n_terms, n_sums)``.

        Returns
        -------
        NDArray[float64]
            Shape ``(n_sums, n_sums)``.
        """
        counts = self._bits.get_counts()
        how_often = np.array(list(counts.values()), dtype=np.float64)
        sums = signed_sums(list(counts), masks, coefficients)
        spread = np.cov(sums, rowvar=False, fweights=how_often.astype(np.int64))
        return np.atleast_2d(np.asarray(spread / self.shots, dtype=np.float64))
