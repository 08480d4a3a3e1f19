"""The bonds of a chain or of a rectangular lattice, in colours that each circuit layer follows."""

from __future__ import annotations

from typing import NamedTuple


class Bond(NamedTuple):
    """Two neighbouring sites.

    Attributes
    ----------
    first, second
        The sites.
    colour
        No two bonds of one colour share a site.
    """

    first: int
    second: int
    colour: int


def lattice_bonds(width: int, height: int, *, periodic: bool) -> list[Bond]:
    """Return the bonds between nearest neighbours, ordered by colour.

    Site ``y * width + x`` is in column x and row y. Along each direction, the bonds alternate
    between two colours, even and odd; the bond that closes a ring of odd length has a colour of
    its own. A ring of two sites has two bonds between them, as ``sum_i Z_i Z_(i+1)`` says.

    Parameters
    ----------
    width, height
        Numbers of columns and rows, at least 1; a chain has one row.
    periodic
        Whether the last site of each row and column is a neighbour of the first one.
    """
    lines = [([y * width + x for x in range(width)], 0) for y in range(height)]
    lines += [([y * width + x for y in range(height)], 3) for x in range(width)]
    found = [bond for sites, first in lines for bond in _line_bonds(sites, first, periodic)]
    colours = sorted({bond.colour for bond in found})
    found.sort(key=lambda bond: bond.colour)
    return [bond._replace(colour=colours.index(bond.colour)) for bond in found]


def _line_bonds(sites: list[int], first_colour: int, periodic: bool) -> list[Bond]:  # noqa: FBT001
    """Return the bonds along a row or a column."""
    length = len(sites)
    if length == 1:
        return []
    bonds = []
    for index in range(length if periodic else length - 1):
        closes_odd = index == length - 1 and length % 2 == 1
        colour = first_colour + (2 if closes_odd else index % 2)
        bonds.append(Bond(sites[index], sites[(index + 1) % length], colour))
    return bonds
