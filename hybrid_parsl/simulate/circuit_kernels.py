"""A circuit of Pauli rotations on a state vector, and its derivative.

The derivative comes from the adjoint method (Jones and Gacon, arXiv:2009.02823): after the
forward sweep, the state and H times the state are taken back gate by gate, and each
rotation exp(-i theta/2 P) adds Im <H psi| P |psi> to its derivative.
"""

from __future__ import annotations

from typing import Any

from .circuit_program import N_Y, ROTATION, X, Z
from .compiling import compiled
from .pauli_simd_kernels import rotate_both, rotate_state


@compiled
def _parity(number: int) -> int:
    """Return the parity of the ones of a number of at most 32 bits."""
    for shift in (16, 8, 4, 2, 1):
        number ^= number >> shift
    return number & 1


@compiled
def run(state: Any, part: int, size: int, table: Any, rotations: int, cosines: Any,
        sines: Any) -> None:  # fmt: skip
    """Prepare |0...0> and apply all rotations."""
    for j in range(part + size):
        state[j] = 0.0
    state[0] = 1.0
    for k in range(rotations):
        at = ROTATION * k
        sign = 1.0 if table[at + N_Y] & 2 else -1.0
        odd = table[at + N_Y] & 1
        rotate_state(state, state, part, size >> 2, table[at + X], table[at + Z], odd, cosines[k],
                     sign * sines[k], sign)  # fmt: skip


@compiled
def run_back(state: Any, adjoint: Any, part: int, size: int, table: Any, rotations: int,
             cosines: Any, sines: Any, derivatives: Any) -> None:  # fmt: skip
    """Take state and adjoint back through all rotations; fill in their derivatives."""
    for k in range(rotations - 1, -1, -1):
        at = ROTATION * k
        sign = 1.0 if table[at + N_Y] & 2 else -1.0
        odd = table[at + N_Y] & 1
        derivatives[k] = rotate_both(state, adjoint, part, size >> 2, table[at + X], table[at + Z],
                                     odd, cosines[k], -sign * sines[k], sign)  # fmt: skip


@compiled
def _fill_factors(re: Any, im: Any, start: int, block: int, signs: Any, term: int, end: int,
                  z_parts: Any, real: Any, imaginary: Any) -> bool:  # fmt: skip
    """Sum up the factors of some terms for a block of basis states; return whether any is complex.

    ``term`` is the first one and ``end`` the one after the last.
    """
    for j in range(block):
        re[j] = 0.0
        im[j] = 0.0
    is_complex = False
    while term < end:
        z = z_parts[term]
        sign = -1.0 if _parity(z & start) else 1.0
        row = (z & (block - 1)) * block
        a, b = sign * real[term], sign * imaginary[term]
        if a != 0.0:
            for j in range(block):
                re[j] += a * signs[row + j]
        if b != 0.0:
            is_complex = True
            for j in range(block):
                im[j] += b * signs[row + j]
        term += 1
    return is_complex


@compiled
def apply_observable(state: Any, out: Any, part: int, size: int, beginnings: Any, x_parts: Any,
                     groups: int, z_parts: Any, real: Any, imaginary: Any, signs: Any, block: int,
                     re: Any, im: Any) -> float:  # fmt: skip
    """Write H psi into `out` and return <psi|H|psi>.

    Terms with the same X part are a group: ``beginnings[g]`` is the first term of group g, and
    the coefficients contain the powers of i of the Y. ``signs[z * block + u]`` is -1 if ``z & u``
    has an odd number of ones, for the lowest bits. ``re`` and ``im`` are scratch arrays of `block`
    numbers.
    """
    for j in range(part + size):
        out[j] = 0.0
    energy = 0.0
    for start in range(0, size, block):
        for g in range(groups):
            is_complex = _fill_factors(
                re,
                im,
                start,
                block,
                signs,
                beginnings[g],
                beginnings[g + 1],
                z_parts,
                real,
                imaginary,
            )
            x = x_parts[g]
            source, flip = start ^ (x & ~(block - 1)), x & (block - 1)
            if flip == 0 and not is_complex:
                for j in range(block):
                    out[start + j] += re[j] * state[source + j]
                    out[part + start + j] += re[j] * state[part + source + j]
            else:
                for j in range(block):
                    k = source + (j ^ flip)
                    c, d = state[k], state[part + k]
                    out[start + j] += re[j] * c - im[j] * d
                    out[part + start + j] += re[j] * d + im[j] * c
        for j in range(start, start + block):
            energy += state[j] * out[j] + state[part + j] * out[part + j]
    return energy
