from __future__ import annotations

from collections import Counter

import pytest

from hybrid_parsl.problems.lattice import lattice_bonds


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("height", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_bonds_of_one_colour_share_no_site(width: int, height: int, *, periodic: bool) -> None:
    bonds = lattice_bonds(width, height, periodic=periodic)
    for colour in {bond.colour for bond in bonds}:
        sites = [s for bond in bonds if bond.colour == colour for s in bond[:2]]
        assert max(Counter(sites).values()) == 1
    along = [n if periodic and n > 1 else n - 1 for n in (width, height)]
    assert len(bonds) == along[0] * height + along[1] * width
    assert sorted({bond.colour for bond in bonds}) == list(range(len({b.colour for b in bonds})))


def test_a_chain_has_even_and_odd_bonds() -> None:
    assert lattice_bonds(4, 1, periodic=False) == [(0, 1, 0), (2, 3, 0), (1, 2, 1)]
    assert lattice_bonds(3, 1, periodic=True) == [(0, 1, 0), (1, 2, 1), (2, 0, 2)]
