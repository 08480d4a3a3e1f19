from __future__ import annotations

import numpy as np
import pytest
from qiskit.primitives import BitArray

from hybrid_parsl.quantum.readout import ReadoutCalibration, draw_flips, undo_flips

MASKS = np.array([[True, False], [True, True]])


def test_each_pattern_comes_once_and_with_its_complement() -> None:
    patterns = draw_flips(5, 16, np.random.default_rng(2))
    assert patterns.shape == (16, 5)
    found = {tuple(each) for each in patterns.tolist()}
    assert len(found) == 16
    assert all(tuple(not each for each in pattern) in found for pattern in found)


def test_of_few_qubits_all_patterns_are_used() -> None:
    patterns = draw_flips(2, 16, np.random.default_rng(2))
    assert sorted(map(tuple, patterns.tolist())) == [
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    ]


def test_flips_are_undone() -> None:
    counts = [{"01": 3, "11": 1}, {"10": 5}]
    patterns = np.array([[True, False], [True, True]])  # bit 0 first
    assert undo_flips(counts, patterns).get_counts() == {"00": 3, "10": 1, "01": 5}


def test_other_bits_or_none() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        undo_flips([{"010": 1}], np.array([[True, False]]))
    with pytest.raises(ValueError, match="no counts"):
        undo_flips([{}], np.array([[True, False]]))


def drawn(rng: np.random.Generator, shots: int) -> BitArray:
    """Return a calibration whose two bits are wrong together more often than not."""
    numbers = rng.multinomial(shots, [0.85, 0.05, 0.03, 0.07])
    counts = dict(zip(["00", "01", "10", "11"], map(int, numbers), strict=True))
    return BitArray.from_counts({bits: n for bits, n in counts.items() if n}, num_bits=2)


def test_the_factors_are_mean_signs() -> None:
    counts = {"00": 85, "01": 5, "10": 3, "11": 7}
    found = ReadoutCalibration(BitArray.from_counts(counts, num_bits=2)).factors(MASKS)
    assert found == pytest.approx([1 - 2 * 0.12, 1 - 2 * 0.08])


@pytest.mark.usefixtures("thorough")
def test_the_covariance_is_the_spread_of_the_sums() -> None:
    rng, coefficients = np.random.default_rng(8), np.array([[1.0, -0.5], [2.0, 0.25]])
    calibrations = [ReadoutCalibration(drawn(rng, 500)) for _ in range(1000)]
    sums = np.array([each.factors(MASKS) @ coefficients for each in calibrations])
    stated = np.mean([each.covariance(MASKS, coefficients) for each in calibrations], axis=0)
    assert np.cov(sums, rowvar=False) == pytest.approx(stated, rel=0.25)


@pytest.mark.parametrize("counts", [{"00": 1}, {"00": 50, "01": 50}, {"00": 11, "11": 9}])
def test_nothing_is_divided_by_what_may_be_zero(counts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="impossible"):
        ReadoutCalibration(BitArray.from_counts(counts, num_bits=2)).factors(MASKS[:1])
