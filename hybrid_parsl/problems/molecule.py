"""The ground state of a molecule."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from itertools import combinations, product
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import ReadFrom
from hybrid_parsl.problems.ansatz.hamiltonian_variational import PauliTerm
from hybrid_parsl.problems.electrons import (
    FCIDUMP_KEY,
    Electrons,
    compute_electrons,
    read_fcidump,
)
from hybrid_parsl.problems.exact_spectrum import extreme_eigenvalues
from hybrid_parsl.problems.fermion_mapping import (
    FermionMapping,
    excitation,
    hamiltonian,
    label_of,
    occupation,
    to_parity,
)
from hybrid_parsl.problems.settings import (
    MOST_QUBITS,
    Coefficient,
    ProblemSettings,
    named_file,
    read_text,
)
from hybrid_parsl.problems.variational import SU2, VariationalProblem
from hybrid_parsl.simulate.circuit_program import Pauli

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy import float64
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

    from hybrid_parsl.problems.ansatz.hamiltonian_variational import Group

_MOST_BYTES = 2**22  # the integrals over 20 orbitals take some 1.1 MB

_Label = Annotated[str, Field(pattern=r"^[IXYZ]{1,40}$")]
_Count = Annotated[int, Field(ge=1, le=MOST_QUBITS)]


class Integrals(BaseModel):
    """The integrals over n orbitals, in Hartree, each once.

    Attributes
    ----------
    constant
        Energy of the nuclei and of the frozen electrons.
    one_body
        ``h[p, q]`` for p >= q, in the order of ``numpy.tril_indices``.
    two_body
        ``(pq|rs)`` for pairs p >= q and r >= s, the first pair not before the second, in the same
        order over pairs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    constant: float
    one_body: list[float]
    two_body: list[float]

    @classmethod
    def of(cls, electrons: Electrons) -> Integrals:
        """Return those of electrons."""
        pairs = np.tril_indices(electrons.n_orbitals)
        two_body = electrons.two_body[pairs][:, *pairs]
        return cls(
            constant=electrons.constant,
            one_body=electrons.one_body[pairs].tolist(),
            two_body=two_body[np.tril_indices(len(two_body))].tolist(),
        )

    def electrons(self, n: int, n_alpha: int, n_beta: int) -> Electrons:
        """Return electrons with these integrals over `n` orbitals.

        Raises
        ------
        ConfigurationError
            If these are not the integrals over `n` orbitals.
        """
        pair = np.zeros((n, n), dtype=np.int64)
        rows, columns = np.tril_indices(n)
        n_pairs = len(rows)
        if (len(self.one_body), len(self.two_body)) != (n_pairs, n_pairs * (n_pairs + 1) // 2):
            found = f"{len(self.one_body)} and {len(self.two_body)} integrals for {n} orbitals"
            key = "problem.hamiltonian.integrals"
            raise ConfigurationError("has another number of integrals", None, key, found)
        pair[rows, columns] = pair[columns, rows] = np.arange(n_pairs)
        matrix = np.zeros((n_pairs, n_pairs))
        rows, columns = np.tril_indices(n_pairs)
        matrix[rows, columns] = matrix[columns, rows] = self.two_body
        one_body = np.asarray(self.one_body)[pair]
        return Electrons(self.constant, one_body, matrix[pair][:, :, pair], n_alpha, n_beta)


class QubitHamiltonian(BaseModel):
    """The electrons of a molecule on qubits, as an experiment holds them.

    Attributes
    ----------
    orbitals, alpha, beta
        Number of spatial orbitals, and of electrons with spin up and down.
    made_of
        Fingerprint of the keys from which it was computed.
    terms
        The coefficient of each Pauli term, qubit 0 rightmost, in Hartree.
    integrals
        From which they were computed; None in older runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    orbitals: _Count
    alpha: Annotated[int, Field(ge=0, le=MOST_QUBITS)]
    beta: Annotated[int, Field(ge=0, le=MOST_QUBITS)]
    made_of: str
    terms: Annotated[dict[_Label, Coefficient], Field(min_length=1)]
    integrals: Integrals | None = None

    @property
    def counts(self) -> tuple[int, int, int]:
        """Number of orbitals, and of electrons with spin up and down."""
        return self.orbitals, self.alpha, self.beta


class MoleculeSettings(ProblemSettings):
    """The keys of a molecule.

    Attributes
    ----------
    geometry
        ``"H 0 0 0; H 0 0 0.735"``: symbol and position in angstroms of each atom. PySCF computes
        its Hartree-Fock orbitals.
    basis
        Name of a basis set.
    charge
        In units of the elementary charge, -20 to 20.
    spin
        Number of unpaired electrons, 0 to 20.
    active_electrons, active_orbitals
        Number of electrons and of orbitals that are not frozen; both or none.
    fcidump
        A file with the integrals, in the place of a geometry.
    mapping
        ``jordan_wigner``, a qubit for each orbital and spin; or ``parity``, two qubits fewer.
    hamiltonian
        What was computed from these keys; written by a run.
    """

    geometry: str | None = None
    basis: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 +*(),_-]{0,39}$")] = "sto-3g"
    charge: Annotated[int, Field(ge=-20, le=20)] = 0
    spin: Annotated[int, Field(ge=0, le=20)] = 0
    active_electrons: _Count | None = None
    active_orbitals: _Count | None = None
    fcidump: str | None = None
    mapping: FermionMapping = "jordan_wigner"
    hamiltonian: QubitHamiltonian | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        """Refuse more or less than one source of integrals, and half an active space."""
        if (self.geometry is None) == (self.fcidump is None):
            message = "specify either problem.geometry or problem.fcidump"
            found = "both" if self.geometry is not None else "neither"
            raise ConfigurationError(message, None, "problem", found)
        if (self.active_electrons is None) != (self.active_orbitals is None):
            message = "specify both problem.active_electrons and problem.active_orbitals, or none"
            raise ConfigurationError(message, None, "problem")
        if self.fcidump is not None and self.active_orbitals is not None:
            message = "select the active space in the program that writes the FCIDUMP file"
            raise ConfigurationError(message, None, "problem.active_orbitals")
        return self

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that stand for all keys but `hamiltonian`."""
        keys = self.model_dump(mode="json", exclude={"hamiltonian"})
        return hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()[:16]


class Molecule(VariationalProblem):
    """The lowest energy of the electrons of a molecule, in Hartree.

    The circuit ``uccsd`` starts in the Hartree-Fock state; each layer applies the unitary
    ``exp(theta (T - T+))`` of each single and double excitation that keeps the spin, singles first,
    one after the other (Peruzzo et al., Nat. Commun. 5, 4213, 2014; Romero et al., Quantum Sci.
    Technol. 4, 014008, 2018).

    Parameters
    ----------
    settings
        The molecule.

    Raises
    ------
    ConfigurationError
        If its Hamiltonian has not been computed from these settings, or it has no excitations.
    """

    Settings: ClassVar[type[BaseModel]] = MoleculeSettings
    size_keys: ClassVar[tuple[str, ...]] = ("active_orbitals", "geometry", "fcidump")
    ansatz_kinds: ClassVar[tuple[str, ...]] = ("uccsd", SU2)
    spectrum_of_sector: ClassVar[bool] = True
    unit: ClassVar[str] = "Hartree"

    def __init__(self, settings: MoleculeSettings) -> None:
        super().__init__(settings)
        if settings.hamiltonian is None or settings.hamiltonian.made_of != settings.fingerprint():
            message = "the Hamiltonian was not computed from these keys before the problem was made"
            valid = "an experiment that went through hybrid_parsl.problems.registry.embed_files"
            raise ConfigurationError(message, None, "problem.hamiltonian", valid=valid)
        self._electrons = settings.hamiltonian
        self.n_qubits = _n_qubits(self._electrons.orbitals, settings.mapping)
        _check_labels(settings.hamiltonian, self.n_qubits)
        if next(self._excitations(), None) is None:
            found = f"{self._electrons.alpha} + {self._electrons.beta} electrons"
            message = f"no electron can be excited in {self._electrons.orbitals} orbitals"
            raise ConfigurationError(message, None, "problem", found)

    @classmethod
    def embed(cls, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Return `settings` with the Hamiltonian on qubits.

        Raises
        ------
        ConfigurationError
            If a setting or file is not valid, or PySCF is missing or fails.
        """
        asked = MoleculeSettings.model_validate(settings)
        if asked.hamiltonian is not None and asked.hamiltonian.made_of == asked.fingerprint():
            return settings
        electrons = _electrons_of(asked, folder)
        terms = _mapped(hamiltonian(electrons), asked.mapping, electrons.counts)
        n_qubits = _n_qubits(electrons.n_orbitals, asked.mapping)
        rows = sorted((label_of(term, n_qubits), value) for term, value in terms.items())
        found = {
            "orbitals": electrons.n_orbitals,
            "alpha": electrons.n_alpha,
            "beta": electrons.n_beta,
            "made_of": asked.fingerprint(),
            "terms": dict(rows),
            "integrals": Integrals.of(electrons).model_dump(),
        }
        if asked.fcidump is None:
            return {**settings, "hamiltonian": found}
        counts = f"{electrons.n_alpha} + {electrons.n_beta} electrons"
        read_from = ReadFrom(
            file=asked.fcidump,
            format="fcidump",
            holds="operator",
            nodes=n_qubits,
            edges=len(rows),
            convention=f"{counts} in {electrons.n_orbitals} orbitals",
        )
        return {**settings, "hamiltonian": found, "read_from": read_from}

    def observable(self) -> SparsePauliOp:
        """Return the energy."""
        from qiskit.quantum_info import SparsePauliOp

        return SparsePauliOp.from_list(list(self._electrons.terms.items()))

    def electrons(self) -> Electrons:
        """Return the electrons from which the Hamiltonian was computed.

        Raises
        ------
        ConfigurationError
            If the experiment does not hold their integrals.
        """
        integrals = self._electrons.integrals
        if integrals is None:
            message = "holds no integrals: remove it, and they are computed anew"
            raise ConfigurationError(message, None, "problem.hamiltonian")
        return integrals.electrons(*self._electrons.counts)

    def spectrum(self) -> tuple[float, float] | None:
        """Return the lowest and highest energy with these numbers of electrons, up to 20 qubits.

        States with other numbers are moved out of the way by a penalty.
        """
        observable = self.observable()
        penalty = self._penalty() * float(np.abs(observable.coeffs).sum())
        lowest = extreme_eigenvalues((observable + penalty).simplify())
        highest = extreme_eigenvalues((observable - penalty).simplify())
        return None if lowest is None or highest is None else (lowest[0], highest[1])

    def groups(self) -> list[Group]:
        """Return the terms of each excitation."""
        return self._groups

    @cached_property
    def _groups(self) -> list[Group]:
        """The terms of each excitation."""
        return [
            tuple(_term(pauli, value) for pauli, value in self._map(terms).items())
            for terms in self._excitations()
        ]

    def group_bounds(self) -> NDArray[float64]:
        """Return the box of the amplitudes: -0.1 to 0.1 radians, near the Hartree-Fock state."""
        return np.tile([-0.1, 0.1], (len(self.groups()), 1))

    def prepare(self, circuit: QuantumCircuit, angles: Sequence[Any]) -> None:  # noqa: ARG002
        """Prepare the Hartree-Fock state."""
        circuit.x(occupation(self.settings.mapping, *self._electrons.counts))

    def _excitations(self) -> Iterator[dict[Pauli, float]]:
        """Yield ``i (T - T+)`` of all single and double excitations after Jordan and Wigner."""
        n, electrons = self._electrons.orbitals, self._electrons
        spaces = [
            (range(first, first + filled), range(first + filled, first + n))
            for first, filled in ((0, electrons.alpha), (n, electrons.beta))
        ]
        for filled, empty in spaces:
            for i, a in product(filled, empty):
                yield excitation((i,), (a,))
        for filled, empty in spaces:
            for pair, target in product(combinations(filled, 2), combinations(empty, 2)):
                yield excitation(pair, target)
        (up, up_empty), (down, down_empty) = spaces
        for i, j, a, b in product(up, down, up_empty, down_empty):
            yield excitation((i, j), (a, b))

    def _map(self, operator: Mapping[Pauli, float]) -> dict[Pauli, float]:
        """Return an operator in the mapping of the problem."""
        return _mapped(operator, self.settings.mapping, self._electrons.counts)

    def _penalty(self) -> SparsePauliOp:
        """Return the sum of the squared deviations of both numbers of electrons."""
        from qiskit.quantum_info import SparsePauliOp

        n = self._electrons.orbitals
        total = SparsePauliOp("I" * self.n_qubits, 0.0)
        for first, count in ((0, self._electrons.alpha), (n, self._electrons.beta)):
            number = {Pauli(0, 1 << mode, 0): -0.5 for mode in range(first, first + n)}
            number[Pauli(0, 0, 0)] = 0.5 * n - count
            rows = [(label_of(p, self.n_qubits), c) for p, c in self._map(number).items()]
            deviation = SparsePauliOp.from_list(rows, num_qubits=self.n_qubits)
            total = total + (deviation @ deviation)
        return total.simplify()


def _check_labels(hamiltonian: QubitHamiltonian, n_qubits: int) -> None:
    """Refuse numbers of electrons and terms that do not fit the orbitals.

    Raises
    ------
    ConfigurationError
        If there are some.
    """
    orbitals, key = hamiltonian.orbitals, "problem.hamiltonian"
    if max(hamiltonian.alpha, hamiltonian.beta) > orbitals or 2 * orbitals > MOST_QUBITS:
        found = f"{hamiltonian.alpha} + {hamiltonian.beta} electrons in {orbitals} orbitals"
        raise ConfigurationError("is not possible", None, key, found)
    wrong = next((label for label in hamiltonian.terms if len(label) != n_qubits), None)
    if wrong is not None:
        message = f"has a term that is not one of {n_qubits} qubits"
        raise ConfigurationError(message, None, key, wrong)
    if all(set(label) == {"I"} for label in hamiltonian.terms):
        raise ConfigurationError("has nothing but a constant", None, key)


def _electrons_of(asked: MoleculeSettings, folder: Path) -> Electrons:
    """Return the electrons that a file or PySCF gives."""
    if asked.fcidump is not None:
        path = named_file(folder, asked.fcidump, FCIDUMP_KEY)
        text = read_text(path, FCIDUMP_KEY, _MOST_BYTES)
        return read_fcidump(text, str(path))
    active = None
    if asked.active_electrons is not None and asked.active_orbitals is not None:
        active = (asked.active_electrons, asked.active_orbitals)
    return compute_electrons(asked.geometry or "", asked.basis, asked.charge, asked.spin, active)


def _n_qubits(n_orbitals: int, mapping: FermionMapping) -> int:
    """Return the number of qubits of a mapping."""
    return 2 * n_orbitals - (2 if mapping == "parity" else 0)


def _mapped(
    operator: Mapping[Pauli, float], mapping: FermionMapping, counts: tuple[int, int, int]
) -> dict[Pauli, float]:
    """Return an operator in a mapping, given the numbers of orbitals and electrons."""
    return dict(operator) if mapping == "jordan_wigner" else to_parity(operator, *counts)


def _term(pauli: Pauli, weight: float) -> PauliTerm:
    """Return a term of a group."""
    qubits = [q for q in range((pauli.x | pauli.z).bit_length()) if (pauli.x | pauli.z) >> q & 1]
    letters = "".join("_XZY"[(pauli.x >> q & 1) + 2 * (pauli.z >> q & 1)] for q in qubits)
    return PauliTerm(letters, tuple(qubits), weight)
