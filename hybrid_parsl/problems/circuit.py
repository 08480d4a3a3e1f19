"""A circuit of the user's own, from a file, with any observable."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import ReadFrom
from hybrid_parsl.messages import shown
from hybrid_parsl.problems import pauli_terms
from hybrid_parsl.problems.circuit_file import (
    KEY,
    CircuitText,
    check_circuit,
    load_circuit,
    read_circuit_file,
)
from hybrid_parsl.problems.pauli_terms import check_terms, list_terms, read_terms
from hybrid_parsl.problems.problem import Problem
from hybrid_parsl.problems.settings import (
    MOST_QUBITS,
    ProblemSettings,
    named_file,
    read_text,
    refuse_unread_file,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy import float64
    from numpy.typing import NDArray
    from pydantic import BaseModel
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

Angle = Annotated[float, Field(ge=-1e6, le=1e6)]


class CircuitSettings(ProblemSettings):
    """The keys of a circuit from a file.

    Attributes
    ----------
    circuit
        A file in OpenQASM 2 or 3, or in Qiskit's QPY. Its parameters, sorted by name as Qiskit
        sorts them, are what is searched; final measurements are left out.
    observable
        As for the kind ``pauli``, on the qubits of the circuit.
    angles
        The lowest and the highest value of a parameter that starts are drawn from, in radians.
    """

    circuit: str | CircuitText
    observable: str | list[Any]
    angles: list[Angle] = Field(
        default_factory=lambda: [-math.pi, math.pi], min_length=2, max_length=2
    )


class CircuitProblem(Problem):
    """The lowest expectation value of an observable over the parameters of a circuit.

    Parameters
    ----------
    settings
        The circuit and its observable.

    Raises
    ------
    ConfigurationError
        If they cannot be read, do not fit each other, or have no parameter.
    """

    Settings: ClassVar[type[BaseModel]] = CircuitSettings
    size_keys: ClassVar[tuple[str, ...]] = ("circuit",)

    def __init__(self, settings: CircuitSettings) -> None:
        super().__init__(settings)
        if isinstance(settings.circuit, str):
            refuse_unread_file(KEY, settings.circuit)
        if isinstance(settings.observable, str):
            refuse_unread_file(pauli_terms.KEY, settings.observable)
        if settings.angles[0] > settings.angles[1]:
            valid = "the lower value first"
            found = shown(settings.angles)
            raise ConfigurationError("is empty", None, "problem.angles", found, valid)
        self.n_qubits = self._open_circuit.num_qubits
        self._terms = check_terms(list_terms(settings.observable), n_qubits=self.n_qubits)
        _check_sizes(self._open_circuit, len(next(iter(self._terms))))

    @classmethod
    def embed(cls, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Return `settings` with the content of the files they name, relative to `folder`.

        Raises
        ------
        ConfigurationError
            If a file cannot be read.
        """
        embedded, n_qubits = dict(settings), 0
        if isinstance(held := settings.get("circuit"), dict):  # an experiment from elsewhere
            check_circuit(CircuitText.model_validate(held), KEY)
        if isinstance(name := settings.get("circuit"), str):
            path = named_file(folder, name, KEY)
            source = read_circuit_file(path)
            summary = check_circuit(source, str(path))
            n_qubits = summary.n_qubits
            embedded["circuit"] = source.model_dump()
            embedded["read_from"] = ReadFrom(
                file=name,
                format=source.format,
                holds="circuit",
                nodes=n_qubits,
                edges=len(summary.parameters),
            )
        if isinstance(name := settings.get("observable"), str):
            path = named_file(folder, name, pauli_terms.KEY)
            _, terms = read_terms(read_text(path, pauli_terms.KEY), str(path))
            found = check_terms(terms, str(path), n_qubits)
            embedded["observable"] = [list(each) for each in found.items()]
        return embedded

    @cached_property
    def _open_circuit(self) -> QuantumCircuit:
        """The circuit with its parameters."""
        return load_circuit(self.settings.circuit)

    def circuit(self, parameters: Sequence[Any]) -> QuantumCircuit:
        """Return the circuit with its parameters replaced.

        Parameters
        ----------
        parameters
            One for each parameter of the circuit, sorted by name, in radians, or parameters of
            Qiskit's.

        Raises
        ------
        ConfigurationError
            If their number is another one.
        """
        own = list(self._open_circuit.parameters)
        if len(parameters) != len(own):
            names = ", ".join(parameter.name for parameter in own)
            message = "the circuit cannot take this number of angles"
            raise ConfigurationError(message, None, KEY, shown(len(parameters)), names)
        return self._open_circuit.assign_parameters(dict(zip(own, parameters, strict=True)))

    def observable(self) -> SparsePauliOp:
        """Return the observable."""
        from qiskit.quantum_info import SparsePauliOp

        return SparsePauliOp(list(self._terms), list(self._terms.values()))

    def bounds(self, layers: int) -> NDArray[float64]:  # noqa: ARG002 - it has no layers
        """Return the box that starts are drawn from, shape ``(n_parameters, 2)``."""
        return np.tile(np.array(self.settings.angles), (self._open_circuit.num_parameters, 1))


def _check_sizes(circuit: QuantumCircuit, n_observed: int) -> None:
    """Refuse a circuit without parameters, or of another size than its observable."""
    n_qubits = circuit.num_qubits
    if circuit.num_parameters == 0:
        message = "has no parameters: there is nothing to search"
        valid = "input float in OpenQASM 3, a Parameter in QPY"
        raise ConfigurationError(message, None, KEY, "0 parameters", valid)
    if n_qubits > MOST_QUBITS:
        message, valid = "has more qubits than any simulation of a state", f"at most {MOST_QUBITS}"
        raise ConfigurationError(message, None, KEY, f"{n_qubits} qubits", valid)
    if n_qubits != n_observed:
        message = "acts on another number of qubits than the circuit"
        found, valid = f"{n_observed} qubits", f"{n_qubits} qubits"
        raise ConfigurationError(message, None, pauli_terms.KEY, found, valid)
