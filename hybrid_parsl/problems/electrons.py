"""The Hamiltonian of electrons in orbitals, from a FCIDUMP file or from PySCF."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.settings import LARGEST, MOST_QUBITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy import float64
    from numpy.typing import NDArray

FCIDUMP_KEY = "problem.fcidump"
GEOMETRY_KEY = "problem.geometry"

_MOST_ORBITALS = MOST_QUBITS // 2
_HEADER = re.compile(r"\s*&FCI\b(.*?)(?:&END|/|\$END)", re.DOTALL | re.IGNORECASE)
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eEdD][-+]?[0-9]{1,4})?"
_INTEGRAL = re.compile(rf"\s*({_NUMBER})((?:\s+[0-9]{{1,4}}){{4}})\s*")
_ATOM = re.compile(rf"([A-Z][a-z]?)((?:\s+{_NUMBER}){{3}})")
_MOST_ATOMS = 100
_LEAST_DISTANCE = 0.1
_FARTHEST = 1000.0
_EXTRA = "pip install 'hybrid-parsl[molecule]'"


@dataclass(frozen=True)
class Electrons:
    """Electrons in n orthonormal spatial orbitals.

    Attributes
    ----------
    constant
        Energy of the nuclei and of the frozen electrons, in Hartree.
    one_body
        ``h[p, q]``, shape ``(n, n)``, in Hartree.
    two_body
        ``(pq|rs)`` in chemists' order, shape ``(n, n, n, n)``, in Hartree.
    n_alpha, n_beta
        Number of electrons with spin up and down.
    """

    constant: float
    one_body: NDArray[float64]
    two_body: NDArray[float64]
    n_alpha: int
    n_beta: int

    @property
    def n_orbitals(self) -> int:
        """Number of spatial orbitals."""
        return len(self.one_body)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Number of orbitals, and of electrons with spin up and down."""
        return self.n_orbitals, self.n_alpha, self.n_beta

    def reference_energy(self) -> float:
        """Return the energy with the first orbitals of each spin filled, in Hartree.

        The sum of one-body, Coulomb and exchange integrals of Szabo & Ostlund, Modern Quantum
        Chemistry, section 2.3.
        """
        energy = self.constant
        spins = slice(self.n_alpha), slice(self.n_beta)
        for filled in spins:
            energy += float(np.trace(self.one_body[filled, filled]))
            exchange = self.two_body[filled, filled, filled, filled]
            energy -= 0.5 * float(np.einsum("pqqp->", exchange))
        for first, second in product(spins, repeat=2):
            coulomb = self.two_body[first, first, second, second]
            energy += 0.5 * float(np.einsum("ppqq->", coulomb))
        return energy


def read_fcidump(text: str, source: str) -> Electrons:
    """Return the electrons of a file in the format FCIDUMP.

    The format is that of Knowles & Handy, Comput. Phys. Commun. 54, 75 (1989): a namelist ``&FCI``
    with NORB, NELEC and MS2, then lines ``value i j k l`` for ``(ij|kl)``, ``value i j 0 0`` for
    the one-body part and ``value 0 0 0 0`` for the constant; orbitals count from 1.

    Parameters
    ----------
    text
        The content of the file.
    source
        Its name, for errors.

    Raises
    ------
    ConfigurationError
        If it is not such a file, or its orbitals differ between the spins.
    """
    header = _HEADER.match(text)
    if header is None:
        valid = "&FCI NORB=..., NELEC=..., MS2=..., &END, then lines 'value i j k l'"
        found = shown(text.lstrip().partition("\n")[0])
        raise ConfigurationError("is not a FCIDUMP file", source, FCIDUMP_KEY, found, valid)
    entries = _header_entries(header[1])
    if any(_is_set(entries.get(name, "")) for name in ("UHF", "IUHF")):
        message = "has different orbitals for spin up and spin down (UHF)"
        raise ConfigurationError(message, source, FCIDUMP_KEY, valid="restricted orbitals")
    n, n_electrons, ms2 = (
        _header_number(entries, name, source) for name in ("NORB", "NELEC", "MS2")
    )
    if not 1 <= n <= _MOST_ORBITALS:
        found, valid = f"NORB = {n}", f"1 to {_MOST_ORBITALS}"
        message = "has an unsupported number of orbitals"
        raise ConfigurationError(message, source, FCIDUMP_KEY, found, valid)
    lines = [line for line in text[header.end() :].split("\n") if line.strip()]
    integrals = _fill([_integral(line, n, source) for line in lines], n)
    if not (integrals[1].any() or integrals[2].any()):
        raise ConfigurationError("holds no integrals", source, FCIDUMP_KEY)
    return Electrons(*integrals, *_spins(n_electrons, ms2, n, source))


def _header_entries(text: str) -> dict[str, str]:
    """Return the values of the names in a header, each with commas between its parts."""
    entries: dict[str, list[str]] = {}
    words = text.replace("=", " = ").replace(",", " ").split()
    name = ""
    for word, following in pairwise([*words, ""]):
        if following == "=":
            name = word.upper()
            entries[name] = []
        elif word != "=":
            entries.setdefault(name, []).append(word)
    return {name: ",".join(values) for name, values in entries.items()}


def _is_set(text: str) -> bool:
    """Return whether a logical value, or a number in its place, is true."""
    return text.strip(".").upper().startswith("T") or text.strip("+0") in {"1", "2"}


def _fill(
    integrals: list[tuple[float, list[int]]], n: int
) -> tuple[float, NDArray[float64], NDArray[float64]]:
    """Return constant, one-body and two-body part with all their symmetric elements."""
    constant, one, two = 0.0, np.zeros((n, n)), np.zeros((n, n, n, n))
    for value, orbitals in integrals:
        p, q, r, t = (each - 1 for each in orbitals)
        if r >= 0:
            for first, second in (((p, q), (r, t)), ((r, t), (p, q))):
                for left in (first, first[::-1]):
                    two[*left, *second] = two[*left, *second[::-1]] = value
        elif q >= 0:
            one[p, q] = one[q, p] = value
        elif p < 0:
            constant = value
    return constant, one, two


def _header_number(entries: dict[str, str], name: str, source: str) -> int:
    """Return an entry of the header; MS2 is 0 if it is left out."""
    text = entries.get(name, "0" if name == "MS2" else "")
    if not re.fullmatch(r"[-+]?[0-9]{1,6}", text):
        found, valid = f"{name} = {shown(text)}", "an integer"
        raise ConfigurationError("has an invalid header", source, FCIDUMP_KEY, found, valid)
    return int(text)


def _integral(line: str, n_orbitals: int, source: str) -> tuple[float, list[int]]:
    """Return the value and the four orbitals of a line, counted from 1; 0 for none."""
    found = _INTEGRAL.fullmatch(line)
    value = float(found[1].upper().replace("D", "E")) if found else np.nan
    orbitals = [int(word) for word in found[2].split()] if found else []
    if not abs(value) <= LARGEST or any(each > n_orbitals for each in orbitals):
        message, valid = "has an invalid line", f"'value i j k l', orbitals 0 to {n_orbitals}"
        raise ConfigurationError(message, source, FCIDUMP_KEY, shown(line.strip()), valid)
    p, q, r, t = map(bool, orbitals)
    if r != t or (r and not (p and q)) or (q and not p):
        message = "has a line whose orbitals do not denote an integral"
        raise ConfigurationError(message, source, FCIDUMP_KEY, shown(line.strip()))
    return value, orbitals


def _spins(n_electrons: int, ms2: int, n_orbitals: int, source: str) -> tuple[int, int]:
    """Return the numbers of electrons with spin up and down."""
    n_alpha, odd = divmod(n_electrons + ms2, 2)
    n_beta = n_electrons - n_alpha
    if odd or not (0 <= n_alpha <= n_orbitals and 0 <= n_beta <= n_orbitals):
        found = f"NELEC = {n_electrons}, MS2 = {ms2}, NORB = {n_orbitals}"
        message = "has numbers of electrons that are not possible in its orbitals"
        raise ConfigurationError(message, source, FCIDUMP_KEY, found)
    return n_alpha, n_beta


def parse_geometry(text: str) -> list[tuple[str, tuple[float, float, float]]]:
    """Return the atoms of ``"H 0 0 0; H 0 0 0.735"``: symbols, and positions in angstroms.

    Raises
    ------
    ConfigurationError
        If it is not such a list of atoms, or two of them are closer than 0.1 angstroms.
    """
    atoms = [_atom(part.strip()) for part in re.split(r"[;\n]", text) if part.strip()]
    if not 1 <= len(atoms) <= _MOST_ATOMS:
        found, valid = f"{len(atoms)} atoms", f"1 to {_MOST_ATOMS}"
        raise ConfigurationError(
            "has an unsupported number of atoms", None, GEOMETRY_KEY, found, valid
        )
    for (first, here), (second, there) in combinations(atoms, 2):
        distance = math.dist(here, there)
        if distance < _LEAST_DISTANCE:
            found = f"{distance:.3g} from {first} to {second}"
            valid = f"at least {_LEAST_DISTANCE} angstroms"
            raise ConfigurationError("has atoms too close", None, GEOMETRY_KEY, found, valid)
    return atoms


def _atom(text: str) -> tuple[str, tuple[float, float, float]]:
    """Return the symbol and the position of an atom."""
    found = _ATOM.fullmatch(text)
    words = found[2].upper().replace("D", "E").split() if found else []
    x, y, z = map(float, words) if words else (math.inf,) * 3
    if found is None or max(abs(x), abs(y), abs(z)) > _FARTHEST:
        valid = "'H 0 0 0; H 0 0 0.735': symbol and position in angstroms of each atom"
        raise ConfigurationError("is not an atom", None, GEOMETRY_KEY, shown(text), valid)
    return found[1], (x, y, z)


def compute_electrons(
    geometry: str, basis: str, charge: int, spin: int, active: tuple[int, int] | None
) -> Electrons:
    """Return the electrons of a molecule in its Hartree-Fock orbitals, computed by PySCF.

    Parameters
    ----------
    geometry
        As for `parse_geometry`.
    basis
        Name of a basis set, such as ``sto-3g``.
    charge
        Of the molecule, in units of the elementary charge.
    spin
        Number of unpaired electrons.
    active
        Numbers of electrons and of orbitals that are not frozen, next to the Fermi level; None
        for all.

    Raises
    ------
    ConfigurationError
        If PySCF is missing, the molecule or its active space is not valid, or its Hartree-Fock
        calculation fails.
    """
    atoms = parse_geometry(geometry)
    try:
        from pyscf import lib
    except ImportError as error:
        message = f"integrals are computed by PySCF: {_EXTRA}"
        valid = "or problem.fcidump, a file with the integrals"
        raise ConfigurationError(message, None, GEOMETRY_KEY, valid=valid) from error
    with threadpool_limits(1), lib.with_omp_threads(1):  # the same digits in every run
        return _hartree_fock(geometry, atoms, basis, charge, spin, active)


def _hartree_fock(
    geometry: str,
    atoms: list[tuple[str, tuple[float, float, float]]],
    basis: str,
    charge: int,
    spin: int,
    active: tuple[int, int] | None,
) -> Electrons:
    """Return the electrons of atoms in their Hartree-Fock orbitals; see `compute_electrons`."""
    from pyscf import ao2mo, gto, mcscf, scf

    n_electrons = _n_electrons([symbol for symbol, _ in atoms], basis) - charge
    if n_electrons < max(spin, 1) or (n_electrons - spin) % 2:
        found = f"{n_electrons} electrons, {spin} of them unpaired, with charge {charge}"
        message = "the molecule cannot have this number of unpaired electrons"
        raise ConfigurationError(message, None, "problem.spin", found)
    try:
        molecule: Any = gto.M(atom=atoms, basis=basis, charge=charge, spin=spin, verbose=0)
        field: Any = (scf.ROHF if spin else scf.RHF)(molecule).run(conv_tol=1e-12)
    except Exception as error:  # PySCF and LAPACK raise many kinds
        reason = str(error).strip("'\"").partition("\n")[0] or type(error).__name__
        message = f"PySCF cannot compute this molecule: {reason}"
        raise ConfigurationError(message, None, GEOMETRY_KEY, shown(geometry)) from error
    if not field.converged:
        message = "the Hartree-Fock calculation of this molecule does not converge"
        raise ConfigurationError(message, None, GEOMETRY_KEY, shown(geometry))
    n_all = field.mo_coeff.shape[1]
    if active is not None:
        _check_active(active, n_electrons, spin, n_all)
    n_active, n_orbitals = active or (n_electrons, n_all)
    if n_orbitals > _MOST_ORBITALS:
        found = f"{n_orbitals} orbitals"
        valid = f"at most {_MOST_ORBITALS}: problem.active_orbitals"
        raise ConfigurationError("has too many orbitals", None, GEOMETRY_KEY, found, valid)
    space: Any = mcscf.CASCI(field, n_orbitals, n_active)
    one_body, constant = space.get_h1eff()
    two_body = ao2mo.restore(1, space.get_h2eff(), n_orbitals)
    n_alpha, n_beta = space.nelecas
    return Electrons(float(constant), np.asarray(one_body), np.asarray(two_body), n_alpha, n_beta)


def _n_electrons(symbols: Iterable[str], basis: str) -> int:
    """Return the number of electrons of neutral atoms, all of which have the basis set.

    Raises
    ------
    ConfigurationError
        If one is not a chemical element, or does not have it.
    """
    from pyscf.data.elements import ELEMENTS
    from pyscf.gto import basis as basis_sets

    total = 0
    for symbol in symbols:
        if symbol not in ELEMENTS[1:]:  # the first is an atom without a nucleus
            message = "is not a chemical element"
            raise ConfigurationError(message, None, GEOMETRY_KEY, shown(symbol))
        total += ELEMENTS.index(symbol)
        try:
            basis_sets.load(basis, symbol)
        except Exception as error:  # PySCF raises many kinds
            message = f"PySCF has no such basis set for {symbol}"
            raise ConfigurationError(message, None, "problem.basis", shown(basis)) from error
    return total


def _check_active(active: tuple[int, int], n_electrons: int, spin: int, n_orbitals: int) -> None:
    """Refuse an active space that the molecule does not have."""
    n_active, n_open = active
    frozen, odd = divmod(n_electrons - n_active, 2)
    if odd or frozen < 0 or n_active < spin:
        key, valid = "problem.active_electrons", f"{spin or 2} to {n_electrons} in steps of 2"
        message = "frozen electrons must be pairs"
        raise ConfigurationError(message, None, key, str(n_active), valid)
    least, most = (n_active + spin) // 2, n_orbitals - frozen
    if not least <= n_open <= most:
        key, valid = "problem.active_orbitals", f"{least} to {most}"
        message = f"is not possible for {n_active} active electrons"
        raise ConfigurationError(message, None, key, str(n_open), valid)
