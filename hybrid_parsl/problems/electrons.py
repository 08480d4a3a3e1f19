"""The Hamiltonian of electrons in orbitals, from a FCIDUMP file or from PySCF."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.settings import MOST_QUBITS

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

FCIDUMP_KEY = "problem.fcidump"
GEOMETRY_KEY = "problem.geometry"

_MOST_ORBITALS = MOST_QUBITS // 2
_HEADER = re.compile(r"\s*&FCI\b(.*?)(?:&END|/|\$END)", re.DOTALL | re.IGNORECASE)
_ENTRY = re.compile(r"([A-Za-z0-9]+)\s*=\s*([^=]*?)(?=,?\s*[A-Za-z0-9]+\s*=|\s*$)", re.DOTALL)
_ATOM = re.compile(r"([A-Z][a-z]?)((?:\s+[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?){3})")
_EXTRA = "pip install 'hybrid-parsl[molecule]'"
_FIELDS = 5


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
    entries = {name.upper(): value.strip(" ,\n\t") for name, value in _ENTRY.findall(header[1])}
    if entries.get("UHF", "").strip(".").upper().startswith("T"):
        message = "has other orbitals for spin up than for spin down (UHF)"
        raise ConfigurationError(message, source, FCIDUMP_KEY, valid="restricted orbitals")
    n, n_electrons, ms2 = (
        _header_number(entries, name, source) for name in ("NORB", "NELEC", "MS2")
    )
    if not 1 <= n <= _MOST_ORBITALS:
        found, valid = f"NORB = {n}", f"1 to {_MOST_ORBITALS}"
        message = "has a wrong number of orbitals"
        raise ConfigurationError(message, source, FCIDUMP_KEY, found, valid)
    lines = [line for line in text[header.end() :].split("\n") if line.strip()]
    integrals = _fill([_integral(line, n, source) for line in lines], n)
    if not (integrals[1].any() or integrals[2].any()):
        raise ConfigurationError("holds no integrals", source, FCIDUMP_KEY)
    return Electrons(*integrals, *_spins(n_electrons, ms2, n, source))


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
        found, valid = f"{name} = {shown(text)}", "a whole number"
        raise ConfigurationError("has a wrong header", source, FCIDUMP_KEY, found, valid)
    return int(text)


def _integral(line: str, n_orbitals: int, source: str) -> tuple[float, list[int]]:
    """Return the value and the four orbitals of a line, counted from 1; 0 for none."""
    words = line.replace("D", "E").replace("d", "e").split()
    try:
        value, *orbitals = float(words[0]), *(int(word) for word in words[1:])
    except (ValueError, IndexError):
        value, orbitals = np.nan, []
    in_range = all(0 <= each <= n_orbitals for each in orbitals)
    if len(words) != _FIELDS or not np.isfinite(value) or not in_range:
        message, valid = "has a line that is no integral", f"'value i j k l', 0 to {n_orbitals}"
        raise ConfigurationError(message, source, FCIDUMP_KEY, shown(line.strip()), valid)
    p, q, r, t = map(bool, orbitals)
    if r != t or (r and not (p and q)) or (q and not p):
        message = "has a line whose orbitals are no integral"
        raise ConfigurationError(message, source, FCIDUMP_KEY, shown(line.strip()))
    return value, orbitals


def _spins(n_electrons: int, ms2: int, n_orbitals: int, source: str) -> tuple[int, int]:
    """Return the numbers of electrons with spin up and down."""
    n_alpha, odd = divmod(n_electrons + ms2, 2)
    n_beta = n_electrons - n_alpha
    if odd or not (0 <= n_alpha <= n_orbitals and 0 <= n_beta <= n_orbitals):
        found = f"NELEC = {n_electrons}, MS2 = {ms2}, NORB = {n_orbitals}"
        message = "has numbers of electrons that do not fit its orbitals"
        raise ConfigurationError(message, source, FCIDUMP_KEY, found)
    return n_alpha, n_beta


def parse_geometry(text: str) -> list[tuple[str, tuple[float, float, float]]]:
    """Return the atoms of ``"H 0 0 0; H 0 0 0.735"``: symbols, and positions in angstroms.

    Raises
    ------
    ConfigurationError
        If it is not such a list of atoms.
    """
    atoms = []
    for part in re.split(r"[;\n]", text):
        if not part.strip():
            continue
        found = _ATOM.fullmatch(part.strip())
        if found is None:
            valid = "'H 0 0 0; H 0 0 0.735': symbol and position in angstroms of each atom"
            raise ConfigurationError("is no atom", None, GEOMETRY_KEY, shown(part.strip()), valid)
        x, y, z = (float(word) for word in found[2].split())
        atoms.append((found[1], (x, y, z)))
    if not atoms:
        raise ConfigurationError("names no atoms", None, GEOMETRY_KEY, shown(text))
    return atoms


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
        If PySCF is missing, the molecule is not valid, or its field does not converge.
    """
    atoms = parse_geometry(geometry)
    try:
        from pyscf import ao2mo, gto, mcscf, scf
    except ImportError as error:
        message = f"integrals are computed by PySCF: {_EXTRA}"
        valid = "or problem.fcidump, a file with the integrals"
        raise ConfigurationError(message, None, GEOMETRY_KEY, valid=valid) from error
    try:
        molecule: Any = gto.M(atom=atoms, basis=basis, charge=charge, spin=spin, verbose=0)
    except Exception as error:  # PySCF raises many kinds
        reason = str(error).strip("'\"").split("\n")[0]
        message = f"is not valid for PySCF: {reason}"
        found = f"{geometry}; basis {basis}, charge {charge}, spin {spin}"
        raise ConfigurationError(message, None, GEOMETRY_KEY, shown(found)) from error
    field: Any = (scf.ROHF if spin else scf.RHF)(molecule).run(conv_tol=1e-12)
    if not field.converged:
        message = "has a Hartree-Fock field that does not converge"
        raise ConfigurationError(message, None, GEOMETRY_KEY, shown(geometry))
    n_electrons, n_orbitals = active or (molecule.nelectron, field.mo_coeff.shape[1])
    if n_orbitals > _MOST_ORBITALS:
        found, valid = (
            f"{n_orbitals} orbitals",
            f"at most {_MOST_ORBITALS}: problem.active_orbitals",
        )
        raise ConfigurationError("has too many orbitals", None, GEOMETRY_KEY, found, valid)
    space: Any = mcscf.CASCI(field, n_orbitals, n_electrons)
    one_body, constant = space.get_h1eff()
    two_body = ao2mo.restore(1, space.get_h2eff(), n_orbitals)
    n_alpha, n_beta = space.nelecas
    return Electrons(float(constant), np.asarray(one_body), np.asarray(two_body), n_alpha, n_beta)
