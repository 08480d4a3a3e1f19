"""Translate Qiskit's circuits into programs of Pauli rotations.

Clifford gates C are moved behind all rotations: ``exp(-i theta/2 P) C`` is
``C exp(-i theta/2 C^dagger P C)``, where ``C^dagger P C`` is a Pauli operator again (Gottesman,
quant-ph/9807006; Litinski, Quantum 3, 128, 2019, section 1). Each Clifford gate is a product of
quarter turns about Pauli operators P, which take an operator Q that anticommutes with P to
``-i Q P``, and leave any other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.errors import ConfigurationError

from .circuit_program import Pauli, Program, image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qiskit import QuantumCircuit
    from qiskit.circuit import Operation, Parameter

_QUARTER = math.pi / 2
_SAME = 1e-14  # radians, by which an angle is a number of quarter turns
_ROTATIONS = {"rx": "X", "ry": "Y", "rz": "Z", "p": "Z", "rxx": "XX", "ryy": "YY", "rzz": "ZZ"}
# Gates without angles as rotations, first to last, up to a global phase.
_FIXED = {
    "id": (),
    "x": (("X", math.pi),),
    "y": (("Y", math.pi),),
    "z": (("Z", math.pi),),
    "h": (("Y", _QUARTER), ("X", math.pi)),
    "s": (("Z", _QUARTER),),
    "sdg": (("Z", -_QUARTER),),
    "t": (("Z", _QUARTER / 2),),
    "tdg": (("Z", -_QUARTER / 2),),
    "sx": (("X", _QUARTER),),
    "sxdg": (("X", -_QUARTER),),
    "cx": (("ZI", _QUARTER), ("IX", _QUARTER), ("ZX", -_QUARTER)),
    "cz": (("ZI", _QUARTER), ("IZ", _QUARTER), ("ZZ", -_QUARTER)),
    "swap": (("XX", _QUARTER), ("YY", _QUARTER), ("ZZ", _QUARTER)),
}
_U_AXES = ("Z", "Y", "Z")  # of the angles lambda, theta, phi, up to a global phase
_GOLDEN = 0.6180339887498949
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
        self._rows: list[tuple[int, int, int]] = []
        self._offsets: list[float] = []
        self._linear: list[tuple[int, int, float]] = []
        self._x_images = [Pauli(1 << qubit, 0, 0) for qubit in range(n_qubits)]
        self._z_images = [Pauli(0, 1 << qubit, 0) for qubit in range(n_qubits)]

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
        """Add one gate; one that is no rotation by its definition."""
        name = gate.name
        if name in _ROTATIONS:
            self._rotation(_ROTATIONS[name], qubits, gate.params[0])
        elif name in _FIXED:
            for axes, angle in _FIXED[name]:
                self._rotation(axes, qubits, angle)
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
        axis = image(axes, qubits, self._x_images, self._z_images)
        if not axis.x | axis.z:
            return  # a phase of the whole state
        constant, slopes = self._split(angle)
        turns = constant / _QUARTER
        if not slopes and abs(turns - round(turns)) * _QUARTER < _SAME:
            self._turn(axis, qubits, round(turns) % 4)
            return
        self._linear += [(len(self._rows), column, axis.sign * slope) for column, slope in slopes]
        self._rows.append((axis.x, axis.z, axis.n_y))
        self._offsets.append(axis.sign * constant)

    def _turn(self, axis: Pauli, qubits: Sequence[int], quarters: int) -> None:
        """Move a number of quarter turns behind what is still to come.

        Parameters
        ----------
        axis
            The image of the operator about which it turns.
        qubits
            Those on which that operator acts.
        quarters
            0 to 3.
        """
        minus_i_axis, minus = axis._replace(power=axis.power + 3 & 3), Pauli(0, 0, 2)
        if not quarters:
            return
        factor = (minus_i_axis, minus, minus_i_axis * minus)[quarters - 1]
        for images in (self._x_images, self._z_images):
            for qubit in qubits:
                if images[qubit].anticommutes(axis):
                    images[qubit] = images[qubit] * factor

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
            table=np.array(self._rows, dtype=np.int64).reshape(-1, 3),
            offsets=np.array(self._offsets),
            rows=np.array(rows, dtype=np.int64),
            columns=np.array(columns, dtype=np.int64),
            slopes=np.array(slopes, dtype=np.float64),
            x_images=tuple(self._x_images),
            z_images=tuple(self._z_images),
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
    numbers = np.arange(1, n_parameters + 1, dtype=np.float64)
    point = 0.1 + 0.8 * (numbers * _GOLDEN % 1)  # no special angles
    bound = program_of(circuit_of(point.tolist()), [])
    if not (
        np.array_equal(program.table, bound.table)
        and np.allclose(program.angles(point), bound.offsets, rtol=1e-9, atol=1e-9)
        and (program.x_images, program.z_images) == (bound.x_images, bound.z_images)
    ):
        raise ConfigurationError("the gates of the circuit depend on the values of its parameters")
    return program
