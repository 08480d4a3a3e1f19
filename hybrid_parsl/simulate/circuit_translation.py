"""Translate Qiskit's circuits into programs of Pauli rotations and Clifford gates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.errors import ConfigurationError

from .circuit_program import CX, CZ, ROTATION, SWAP, Program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qiskit import QuantumCircuit
    from qiskit.circuit import Operation, Parameter

_HALF_PI = math.pi / 2
_PERMUTATIONS = {"cx": CX, "cz": CZ, "swap": SWAP}
_ROTATIONS = {"rx": "X", "ry": "Y", "rz": "Z", "p": "Z", "rxx": "XX", "ryy": "YY", "rzz": "ZZ"}
# Gates without angles as rotations, first to last, up to a global phase.
_FIXED = {
    "id": (),
    "x": (("X", math.pi),),
    "y": (("Y", math.pi),),
    "z": (("Z", math.pi),),
    "h": (("Y", _HALF_PI), ("X", math.pi)),
    "s": (("Z", _HALF_PI),),
    "sdg": (("Z", -_HALF_PI),),
    "t": (("Z", _HALF_PI / 2),),
    "tdg": (("Z", -_HALF_PI / 2),),
    "sx": (("X", _HALF_PI),),
    "sxdg": (("X", -_HALF_PI),),
}
_U_AXES = ("Z", "Y", "Z")  # of the angles lambda, theta, phi, up to a global phase
_IGNORED = {"barrier", "delay", "global_phase"}
_EVOLUTION = "PauliEvolution"


class _Builder:
    """Collects the operations of a program.

    Parameters
    ----------
    n_qubits
        Number of qubits.
    parameters
        Numbered as in the vector of parameters.
    """

    def __init__(self, n_qubits: int, parameters: Sequence[Parameter]) -> None:
        self._n_qubits = n_qubits
        self._numbers = {parameter: index for index, parameter in enumerate(parameters)}
        self._rows: list[tuple[int, int, int, int]] = []
        self._offsets: list[float] = []
        self._linear: list[tuple[int, int, float]] = []

    def add(self, circuit: QuantumCircuit, qubits: Sequence[int]) -> None:
        """Add all instructions of a circuit, whose qubits have the numbers `qubits`.

        Raises
        ------
        ConfigurationError
            If one is not unitary, or an angle is not linear in the parameters.
        """
        numbers = dict(zip(circuit.qubits, qubits, strict=True))
        for instruction in circuit.data:
            self._add(instruction.operation, [numbers[qubit] for qubit in instruction.qubits])

    def _add(self, gate: Operation, qubits: Sequence[int]) -> None:
        """Add one gate; one that is not a rotation or permutation by its definition."""
        name = gate.name
        if name in _PERMUTATIONS:
            first, second = (1 << qubit for qubit in qubits)
            self._row((_PERMUTATIONS[name], first, second, 0), 0.0)
        elif name in _ROTATIONS:
            self._rotation(_ROTATIONS[name], qubits, gate.params[0])
        elif name in _FIXED:
            for axis, angle in _FIXED[name]:
                self._rotation(axis, qubits, angle)
        elif name == "u":
            theta, phi, lam = gate.params
            for axis, angle in zip(_U_AXES, (lam, theta, phi), strict=True):
                self._rotation(axis, qubits, angle)
        elif name == _EVOLUTION and hasattr(gate.synthesis, "expand"):
            for label, places, angle in gate.synthesis.expand(gate):
                self._rotation(label, [qubits[place] for place in places], angle)
        elif name not in _IGNORED:
            self.add(_definition(gate), qubits)

    def _rotation(self, axes: str, qubits: Sequence[int], angle: Any) -> None:
        """Add exp(-i angle/2 P), where ``axes[k]`` acts on ``qubits[k]``."""
        pairs = list(zip(axes, qubits, strict=True))
        x = sum(1 << qubit for axis, qubit in pairs if axis in "XY")
        z = sum(1 << qubit for axis, qubit in pairs if axis in "YZ")
        if not x | z:
            return  # a phase of the whole state
        constant, slopes = self._split(angle)
        self._linear += [(len(self._rows), column, slope) for column, slope in slopes]
        self._row((ROTATION, x, z, axes.count("Y")), constant)

    def _row(self, row: tuple[int, int, int, int], offset: float) -> None:
        self._rows.append(row)
        self._offsets.append(offset)

    def _split(self, angle: Any) -> tuple[float, list[tuple[int, float]]]:
        """Return the constant part of an angle, and its slope by each parameter.

        Raises
        ------
        ConfigurationError
            If it is not linear.
        """
        if not getattr(angle, "parameters", None):
            return float(angle), []
        slopes = []
        for parameter in angle.parameters:
            slope = angle.gradient(parameter)
            if getattr(slope, "parameters", None):
                message = f"the angle {angle} is not linear in its parameters"
                raise ConfigurationError(message, valid="sums of parameters times numbers")
            slopes.append((self._numbers[parameter], float(np.real(complex(slope)))))
        return float(angle.bind(dict.fromkeys(angle.parameters, 0.0))), slopes

    def program(self) -> Program:
        """Return what has been collected."""
        rows, columns, slopes = zip(*self._linear, strict=True) if self._linear else ((), (), ())
        return Program(
            n_qubits=self._n_qubits,
            n_parameters=len(self._numbers),
            table=np.array(self._rows, dtype=np.int64).reshape(-1, 4),
            offsets=np.array(self._offsets),
            rows=np.array(rows, dtype=np.int64),
            columns=np.array(columns, dtype=np.int64),
            slopes=np.array(slopes, dtype=np.float64),
        )


def _definition(gate: Operation) -> QuantumCircuit:
    """Return the circuit that a gate stands for.

    Raises
    ------
    ConfigurationError
        If it has none.
    """
    definition: QuantumCircuit | None = getattr(gate, "definition", None)
    if definition is None or gate.num_clbits:
        message = "the state of the circuit cannot be computed: it is not one pure state"
        raise ConfigurationError(message, found=gate.name, valid="unitary gates")
    return definition


def program_of(circuit: QuantumCircuit, parameters: Sequence[Parameter]) -> Program:
    """Return a circuit as a program.

    Gates other than rotations about Pauli strings and common Clifford gates are replaced by their
    definitions. A global phase is left out.

    Parameters
    ----------
    circuit
        Of unitary gates on 1 to 30 qubits, without measurements.
    parameters
        The parameters of the circuit, in the order of the vector of parameters.

    Raises
    ------
    ConfigurationError
        If a gate has no definition, or an angle is not linear in the parameters.
    """
    builder = _Builder(circuit.num_qubits, parameters)
    builder.add(circuit, range(circuit.num_qubits))
    return builder.program()


def parametric_program(
    circuit_of: Callable[[Sequence[Any]], QuantumCircuit], n_parameters: int
) -> Program:
    """Return the circuits of all parameters as one program.

    Parameters
    ----------
    circuit_of
        Makes the circuit from its parameters in radians, or from symbols of Qiskit.
    n_parameters
        Number of parameters.

    Raises
    ------
    ConfigurationError
        If the function needs numbers, its gates depend on them, or one has no exact derivative.
    """
    from qiskit.circuit import ParameterVector

    symbols = list(ParameterVector("parameters", n_parameters))
    try:
        circuit = circuit_of(symbols)
    except Exception as error:
        message = "the circuit cannot be made of Qiskit parameters instead of numbers"
        raise ConfigurationError(message, found=str(error) or type(error).__name__) from error
    program = program_of(circuit, symbols)
    point = np.linspace(0.1, 0.9, n_parameters)
    bound = program_of(circuit_of(point.tolist()), [])
    if not (
        np.array_equal(program.table, bound.table)
        and np.allclose(program.angles(point), bound.offsets, rtol=1e-9, atol=1e-9)
    ):
        raise ConfigurationError("the gates of the circuit depend on the values of its parameters")
    return program
