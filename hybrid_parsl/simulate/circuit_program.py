"""Translate Qiskit's circuits into programs of Pauli rotations and Clifford gates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.errors import ConfigurationError

from .circuit import Program
from .circuit_kernels import CX, CZ, ROTATION, SWAP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qiskit import QuantumCircuit
    from qiskit.circuit import CircuitInstruction, Parameter

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
_IGNORED = {"barrier", "delay"}
_EVOLUTION = "PauliEvolution"
BASIS = sorted({*_PERMUTATIONS, *_ROTATIONS, *_FIXED, *_IGNORED, _EVOLUTION})


class _Builder:
    """Collects the operations of a program.

    Parameters
    ----------
    circuit
        Gives numbers to qubits.
    parameters
        Numbered as in the vector of parameters.
    """

    def __init__(self, circuit: QuantumCircuit, parameters: Sequence[Parameter]) -> None:
        self._qubits = {qubit: index for index, qubit in enumerate(circuit.qubits)}
        self._numbers = {parameter: index for index, parameter in enumerate(parameters)}
        self._rows: list[tuple[int, int, int, int]] = []
        self._offsets: list[float] = []
        self._linear: list[tuple[int, int, float]] = []

    def add(self, instruction: CircuitInstruction) -> None:
        """Add one instruction of the circuit."""
        name, gate = instruction.operation.name, instruction.operation
        qubits = [self._qubits[qubit] for qubit in instruction.qubits]
        if name in _PERMUTATIONS:
            first, second = (1 << qubit for qubit in qubits)
            self._row((_PERMUTATIONS[name], first, second, 0), 0.0)
        elif name in _ROTATIONS:
            self._rotation(_ROTATIONS[name], qubits, gate.params[0])
        elif name in _FIXED:
            for axis, angle in _FIXED[name]:
                self._rotation(axis, qubits, angle)
        elif name == _EVOLUTION:
            for label, places, angle in gate.synthesis.expand(gate):
                self._rotation(label, [qubits[place] for place in places], angle)

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
            n_qubits=len(self._qubits),
            n_parameters=len(self._numbers),
            table=np.array(self._rows, dtype=np.int64).reshape(-1, 4),
            offsets=np.array(self._offsets),
            rows=np.array(rows, dtype=np.int64),
            columns=np.array(columns, dtype=np.int64),
            slopes=np.array(slopes, dtype=np.float64),
        )


def program_of(circuit: QuantumCircuit, parameters: Sequence[Parameter]) -> Program:
    """Return a circuit as a program.

    Gates other than rotations about Pauli strings and common Clifford gates are decomposed.

    Parameters
    ----------
    circuit
        Of unitary gates on 1 to 30 qubits, without measurements.
    parameters
        The parameters of the circuit, in the order of the vector of parameters.

    Raises
    ------
    ConfigurationError
        If a gate has no decomposition, or an angle is not linear in the parameters.
    """
    from qiskit import transpile
    from qiskit.exceptions import QiskitError

    if not {each.operation.name for each in circuit.data} <= set(BASIS):
        try:
            circuit = transpile(circuit, basis_gates=BASIS, optimization_level=0)
        except QiskitError as error:
            message = f"the circuit cannot be decomposed: {error}"
            raise ConfigurationError(message, valid="gates with a decomposition") from error
    if other := sorted({each.operation.name for each in circuit.data} - set(BASIS)):
        message = "the state of the circuit cannot be computed: it is not one pure state"
        raise ConfigurationError(message, found=", ".join(other), valid="unitary gates")
    builder = _Builder(circuit, parameters)
    for instruction in circuit.data:
        builder.add(instruction)
    return builder.program()
