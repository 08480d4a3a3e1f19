"""Fermions on qubits: the Jordan-Wigner and the parity mapping."""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from typing import TYPE_CHECKING, Literal

from hybrid_parsl.simulate.circuit_program import Pauli

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hybrid_parsl.problems.electrons import Electrons

FermionMapping = Literal["jordan_wigner", "parity"]
Operator = dict[Pauli, complex]
"""A sum of products of X, Y and Z, each with the sign +, and their coefficients."""

_NEGLIGIBLE = 1e-14


def ladder(mode: int, *, creates: bool) -> list[tuple[Pauli, complex]]:
    """Return a creation or annihilation operator after Jordan and Wigner.

    ``a_p = Z_0 ... Z_(p-1) (X_p + i Y_p) / 2`` (Jordan & Wigner, Z. Phys. 47, 631, 1928; Seeley,
    Richard & Love, J. Chem. Phys. 137, 224109, 2012, section II).
    """
    below, here = (1 << mode) - 1, 1 << mode
    sign = 1.0 if creates else -1.0  # i Y = - X Z
    return [(Pauli(here, below, 0), 0.5), (Pauli(here, below | here, 0), 0.5 * sign)]


def add_product(
    total: Operator, factors: Iterable[list[tuple[Pauli, complex]]], coefficient: complex
) -> None:
    """Add a product of ladder operators, times a coefficient, to an operator."""
    for choice in product(*factors):
        term, value = Pauli(0, 0, 0), coefficient
        for pauli, weight in choice:
            term, value = term * pauli, value * weight
        letters = term._replace(power=term.n_y & 3)
        total[letters] = total.get(letters, 0.0) + value * 1j ** (term.power - term.n_y)


def real_part(operator: Operator) -> dict[Pauli, float]:
    """Return an operator without what has cancelled; its coefficients are real."""
    return {term: value.real for term, value in operator.items() if abs(value) > _NEGLIGIBLE}


def hamiltonian(electrons: Electrons) -> dict[Pauli, float]:
    """Return the energy of electrons after Jordan and Wigner.

    ``E + sum h_pq a+_ps a_qs + 1/2 sum (pq|rs) a+_ps a+_rt a_st a_qs`` over orbitals p, q, r, s and
    spins (Szabo & Ostlund, Modern Quantum Chemistry, section 2.4). Mode p holds orbital p with
    spin up, mode n + p the same with spin down.
    """
    n = electrons.n_orbitals
    create = [ladder(mode, creates=True) for mode in range(2 * n)]
    annihilate = [ladder(mode, creates=False) for mode in range(2 * n)]
    total: Operator = defaultdict(complex)
    total[Pauli(0, 0, 0)] += electrons.constant
    spins = (0, n)
    for (p, q), value in _entries(electrons.one_body):
        for s in spins:
            add_product(total, [create[s + p], annihilate[s + q]], value)
    for (p, q, r, t), value in _entries(electrons.two_body):
        for s, u in product(spins, repeat=2):
            if s + p == u + r or u + t == s + q:
                continue  # a mode is filled or emptied twice
            factors = [create[s + p], create[u + r], annihilate[u + t], annihilate[s + q]]
            add_product(total, factors, value / 2)
    return real_part(total)


def _entries(array: object) -> Iterable[tuple[tuple[int, ...], float]]:
    """Return places and values of the elements that are not 0."""
    import numpy as np

    values = np.asarray(array)
    for place in zip(*np.nonzero(np.abs(values) > _NEGLIGIBLE), strict=True):
        yield tuple(map(int, place)), float(values[place])


def excitation(source: tuple[int, ...], target: tuple[int, ...]) -> dict[Pauli, float]:
    """Return ``i (T - T+)`` with T exciting electrons from the modes `source` to `target`."""
    total: Operator = defaultdict(complex)
    up = [ladder(mode, creates=True) for mode in target]
    up += [ladder(mode, creates=False) for mode in reversed(source)]
    down = [ladder(mode, creates=True) for mode in source]
    down += [ladder(mode, creates=False) for mode in reversed(target)]
    add_product(total, up, 1j)
    add_product(total, down, -1j)
    return real_part(total)


def to_parity(
    operator: Mapping[Pauli, float], n_orbitals: int, n_alpha: int, n_beta: int
) -> dict[Pauli, float]:
    """Return an operator in the parity mapping, without the two qubits that it leaves alone.

    Qubit q holds the parity of modes 0 to q (Seeley, Richard & Love, 2012, section III). The parity
    of the electrons with spin up, and of all, is conserved: their qubits are replaced by its value
    (Bravyi, Gambetta, Mezzacapo & Temme, arXiv:1701.08213).

    Parameters
    ----------
    operator
        After Jordan and Wigner, conserving both numbers of electrons.
    n_orbitals, n_alpha, n_beta
        Numbers of spatial orbitals and of electrons with spin up and down.
    """
    n_modes = 2 * n_orbitals
    everything = (1 << n_modes) - 1
    fixed = ((n_orbitals - 1, n_alpha & 1), (n_modes - 1, (n_alpha + n_beta) & 1))
    total: dict[Pauli, float] = defaultdict(float)
    for term, value in operator.items():
        mapped = Pauli(0, 0, term.power)
        for mode in range(n_modes):
            if term.x >> mode & 1:
                mapped = mapped * Pauli(everything & ~((1 << mode) - 1), 0, 0)
            if term.z >> mode & 1:
                mapped = mapped * Pauli(0, 1 << mode | (1 << mode) >> 1, 0)
        x, z, coefficient = mapped.x, mapped.z, value * mapped.sign
        for qubit, parity in reversed(fixed):
            coefficient *= -1.0 if z >> qubit & parity else 1.0
            x, z = _without(x, qubit), _without(z, qubit)
        total[Pauli(x, z, (x & z).bit_count() & 3)] += coefficient
    return {term: value for term, value in total.items() if abs(value) > _NEGLIGIBLE}


def occupation(mapping: FermionMapping, n_orbitals: int, n_alpha: int, n_beta: int) -> list[int]:
    """Return the qubits that are 1 if the lowest orbitals are filled."""
    filled = [*range(n_alpha), *range(n_orbitals, n_orbitals + n_beta)]
    if mapping == "jordan_wigner":
        return filled
    parities = [sum(mode <= qubit for mode in filled) & 1 for qubit in range(2 * n_orbitals)]
    del parities[-1], parities[n_orbitals - 1]
    return [qubit for qubit, parity in enumerate(parities) if parity]


def label_of(term: Pauli, n_qubits: int) -> str:
    """Return the letters of a term, qubit 0 rightmost."""
    bits = ((term.x >> q & 1) + 2 * (term.z >> q & 1) for q in reversed(range(n_qubits)))
    return "".join("IXZY"[each] for each in bits)


def _without(mask: int, bit: int) -> int:
    """Return a mask without one of its bits."""
    return mask & ((1 << bit) - 1) | mask >> bit + 1 << bit
