"""Any sum of Pauli operators, from a file or a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import field_validator

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import ReadFrom
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.ansatz.hamiltonian_variational import PauliTerm
from hybrid_parsl.problems.pauli_terms import KEY, VALID, check_terms, list_terms, read_terms
from hybrid_parsl.problems.settings import (
    ProblemSettings,
    named_file,
    read_text,
    refuse_unread_file,
)
from hybrid_parsl.problems.variational import VariationalProblem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy import float64
    from numpy.typing import NDArray
    from pydantic import BaseModel
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

    from hybrid_parsl.problems.ansatz.hamiltonian_variational import Group


class PauliSettings(ProblemSettings):
    """The keys of a sum of Pauli operators.

    Attributes
    ----------
    observable
        A file, or a list of ``[label, coefficient]``. A label has a letter I, X, Y or Z for each
        qubit, qubit 0 rightmost, or names qubits: ``X0 Z3``. A file is such a list in JSON, or has
        lines with a label and a coefficient in either order.
    """

    observable: str | list[Any]

    @field_validator("observable", mode="before")
    @classmethod
    def _file_or_list(cls, value: Any) -> Any:
        """Refuse what is neither a file name nor a list of terms."""
        if not isinstance(value, str | list):
            valid = f"a file name, or a list of [label, coefficient]: {VALID}"
            raise ConfigurationError("should be an operator", None, KEY, shown(value), valid)
        return value


class PauliOperator(VariationalProblem):
    """The lowest energy of a sum of Pauli operators, such as the Hamiltonian of a molecule.

    The alternating circuit starts in a product state with two angles for each qubit, theta and
    phi of ``RZ(phi) RY(theta)`` on 0: a mean-field state, as in Wecker, Hastings & Troyer, Phys.
    Rev. A 92, 042303 (2015), but found by the search. Each layer evolves it under groups of terms
    that commute qubit by qubit, with an angle for each group. The groups are made in the order of
    the terms: each joins the first group with which it commutes so. A sum that is one group gets a
    second one of X on every qubit, or of Z if the terms are products of X.

    Parameters
    ----------
    settings
        The terms.

    Attributes
    ----------
    terms
        The coefficient of each label.

    Raises
    ------
    ConfigurationError
        If a term is not valid, or there is none.
    """

    Settings: ClassVar[type[BaseModel]] = PauliSettings
    size_keys: ClassVar[tuple[str, ...]] = ("observable",)

    def __init__(self, settings: PauliSettings) -> None:
        super().__init__(settings)
        if isinstance(settings.observable, str):
            refuse_unread_file(KEY, settings.observable)
        self.terms = check_terms(list_terms(settings.observable))
        self.n_qubits = len(next(iter(self.terms)))
        self._groups = _commuting_groups(self.terms)

    @classmethod
    def embed(cls, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Return `settings` with the terms of the file they name, relative to `folder`.

        Raises
        ------
        ConfigurationError
            If the file cannot be read, or does not hold a sum of Pauli operators.
        """
        name = settings.get("observable")
        if not isinstance(name, str):
            return settings
        path = named_file(folder, name, KEY)
        form, terms = read_terms(read_text(path, KEY), str(path))
        found = check_terms(terms, str(path))
        read_from = ReadFrom(
            file=name,
            format=form,
            holds="operator",
            nodes=len(next(iter(found))),
            edges=len(found),
            first_node=0,
            convention="the rightmost letter of a label is qubit 0",
        )
        rows = [[label, coefficient] for label, coefficient in found.items()]
        return {**settings, "observable": rows, "read_from": read_from}

    def observable(self) -> SparsePauliOp:
        """Return the sum as an operator."""
        from qiskit.quantum_info import SparsePauliOp

        return SparsePauliOp(list(self.terms), list(self.terms.values()))

    def groups(self) -> list[Group]:
        """Return the groups of terms that commute qubit by qubit, each in a unit of its own."""
        return self._groups

    def start_bounds(self) -> NDArray[float64]:
        """Return the box of theta, 0 to pi, and of phi, -pi to pi, of all qubits in radians."""
        return np.repeat([[0.0, np.pi], [-np.pi, np.pi]], self.n_qubits, axis=0)

    def group_bounds(self) -> NDArray[float64]:
        """Return the box of one angle of each group: -pi / 4 to pi / 4 radians."""
        return np.tile([-np.pi / 4, np.pi / 4], (len(self._groups), 1))

    def prepare(self, circuit: QuantumCircuit, angles: Sequence[Any]) -> None:
        """Prepare the product state of all theta and then all phi, qubit 0 first."""
        for qubit in range(self.n_qubits):
            circuit.ry(angles[qubit], qubit)
            circuit.rz(angles[self.n_qubits + qubit], qubit)


def _commuting_groups(terms: dict[str, float]) -> list[Group]:
    """Return groups of terms that commute qubit by qubit, without the identity."""
    bases: list[list[str]] = []  # of each group, the letter of each qubit, or I
    members: list[list[str]] = []
    for label in terms:
        if set(label) == {"I"}:
            continue
        for basis, group in zip(bases, members, strict=True):
            if all(a == b or "I" in (a, b) for a, b in zip(basis, label, strict=True)):
                basis[:] = [b if a == "I" else a for a, b in zip(basis, label, strict=True)]
                group.append(label)
                break
        else:
            bases.append(list(label))
            members.append([label])
    groups = [_group(labels, terms) for labels in members]
    return groups if len(groups) > 1 else [*groups, _mixer(bases[0])]


def _group(labels: Sequence[str], terms: dict[str, float]) -> Group:
    """Return some terms in a unit in which the largest has magnitude 1."""
    unit = max(abs(terms[label]) for label in labels)
    return tuple(_term(label, terms[label] / unit) for label in labels)


def _term(label: str, weight: float) -> PauliTerm:
    """Return the term of a dense label."""
    letters = [(qubit, each) for qubit, each in enumerate(reversed(label)) if each != "I"]
    return PauliTerm("".join(each for _, each in letters), tuple(q for q, _ in letters), weight)


def _mixer(basis: Sequence[str]) -> Group:
    """Return a single-qubit term for each qubit that commutes with no letter of `basis`."""
    return tuple(
        PauliTerm("Z" if letter == "X" else "X", (qubit,), 1.0)
        for qubit, letter in enumerate(reversed(basis))
    )
