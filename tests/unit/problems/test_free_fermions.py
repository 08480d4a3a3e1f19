from __future__ import annotations

import pytest

from hybrid_parsl.problems.free_fermions import ising_chain_spectrum


@pytest.mark.parametrize("periodic", [False, True])
def test_without_couplings_every_spin_counts_alone(*, periodic: bool) -> None:
    assert ising_chain_spectrum(5, 0.0, -2.0, periodic=periodic) == pytest.approx((-10, 10))


@pytest.mark.parametrize("sites", [3, 4, 501, 502])
def test_without_a_field_an_odd_ring_is_frustrated(sites: int) -> None:
    lowest, highest = ising_chain_spectrum(sites, -1.0, 0.0, periodic=True)
    assert lowest == pytest.approx(-sites + 2 * (sites % 2))
    assert highest == pytest.approx(sites)


def test_the_unit_does_not_matter() -> None:
    small = ising_chain_spectrum(7, 1e-90, 0.5e-90, periodic=True)
    large = ising_chain_spectrum(7, 1.0, 0.5, periodic=True)
    assert small == pytest.approx([1e-90 * each for each in large], rel=1e-12, abs=0)
