"""Figure of the circuit, drawn by Qiskit; of a large one, its beginning."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hybrid_parsl.report import style
from hybrid_parsl.report.text import count

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

MOST_QUBITS = 20
MOST_GATES = 240
GATES_OF_PART = 100  # drawn of a circuit that is larger than that
FOLD = 22  # columns of gates in a row of the drawing
DRAWN_IN = 12.0  # width it is drawn at; Qiskit scales its type to that, and we the result
UNIT_IN = 0.6  # inches that one unit of Qiskit's coordinates becomes
NOTE_IN = 0.35  # inches below the drawing for what it leaves out

LOOK: dict[str, Any] = {
    "name": "bw",
    "subfontsize": 9,
    "linecolor": style.MUTED,
    "textcolor": style.INK,
    "gatetextcolor": style.INK,
    "subtextcolor": style.INK,
    "gatefacecolor": "#f3ead9",
    "edgecolor": style.INK,
    "displaycolor": {
        "h": ["#dbe9f4", style.INK],
        "rx": ["#fbe3d2", style.INK],
        "ry": ["#fbe3d2", style.INK],
        "rz": ["#e2e6ec", style.INK],
        "rzz": [style.BLUE, style.INK],
        "rxx": [style.BLUE, "#ffffff"],
        "ryy": [style.BLUE, "#ffffff"],
        "cx": [style.BLUE, "#ffffff"],
        "cz": [style.BLUE, "#ffffff"],
        "cp": [style.BLUE, style.INK],
        "p": ["#e2e6ec", style.INK],
    },
}


def draw_circuit(circuit: QuantumCircuit) -> str:
    """Return `circuit` as SVG; of more than `MOST_QUBITS` or `MOST_GATES`, its beginning."""
    from qiskit.visualization import circuit_drawer

    part = beginning(circuit)
    figure = style.new_figure(DRAWN_IN, DRAWN_IN)
    axes = figure.add_axes((0, 0, 1, 1))
    circuit_drawer(part, output="mpl", ax=axes, fold=FOLD, style=dict(LOOK), idle_wires=True)
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.5)  # a label may reach over the last column
    bottom, top = axes.get_ylim()
    scale = DRAWN_IN / (right + 0.5 - left) / UNIT_IN
    note = _what_is_left_out(circuit, part)
    below = NOTE_IN * scale if note else 0.0
    height = (top - bottom) * UNIT_IN * scale
    figure.set_size_inches(DRAWN_IN, height + below)
    axes.set_position((0, below / (height + below), 1, height / (height + below)))
    if note:
        where = (0.3 * scale / DRAWN_IN, 0.12 * scale / (height + below))
        size = 11 * scale
        figure.text(*where, note, color=style.MUTED, fontsize=size, family=style.FAMILY)
    return _resized(style.to_svg(figure), 1 / scale)


def _resized(svg: str, factor: float) -> str:
    """Return `svg` with its width and height multiplied; what it shows scales with them."""
    return re.sub(
        r' (width|height)="([\d.]+)pt"',
        lambda match: f' {match[1]}="{factor * float(match[2]):.2f}pt"',
        svg,
        count=2,
    )


def beginning(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return `circuit`, or of a large one the first gates on its first qubits.

    The global phase is left out: nothing that is measured depends on it, and Qiskit's drawer
    would write it into pyplot's current figure.
    """
    from qiskit import QuantumCircuit

    if circuit.num_qubits <= MOST_QUBITS and circuit.size() <= MOST_GATES:
        whole = circuit.copy()
        whole.global_phase = 0
        return whole
    part = QuantumCircuit(min(circuit.num_qubits, MOST_QUBITS), circuit.num_clbits)
    place = dict(zip(circuit.qubits, part.qubits, strict=False))
    bit = dict(zip(circuit.clbits, part.clbits, strict=True))
    for gate in circuit.data:
        if part.size() >= GATES_OF_PART:
            break
        if all(qubit in place for qubit in gate.qubits):
            qubits = [place[qubit] for qubit in gate.qubits]
            part.append(gate.operation, qubits, [bit[clbit] for clbit in gate.clbits])
    return part


def _what_is_left_out(circuit: QuantumCircuit, part: QuantumCircuit) -> str:
    """Return one line that says which part is drawn; empty if it is everything."""
    if part.num_qubits == circuit.num_qubits and part.size() == circuit.size():
        return ""
    return (
        f"Part of the circuit: {count(part.size())} of {count(circuit.size())} gates, "
        f"{part.num_qubits} of {circuit.num_qubits} qubits"
    )
