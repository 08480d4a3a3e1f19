"""Transpilation to the gates and the connectivity of a device, and a record of what it made."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.quantum.backend import OPTIONS_KEY, BackendOptions
from hybrid_parsl.results import Transpiled

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.providers import BackendV2
    from qiskit.transpiler import Target

_INITIAL_LAYOUT_KEY = f"{OPTIONS_KEY}.initial_layout"


class TranspilationOptions(BackendOptions):
    """The keys of ``[quantum.options]`` that say how circuits are transpiled.

    Attributes
    ----------
    optimization_level
        Level of Qiskit's preset pass manager, 0 (none) to 3 (most).
    seed_transpiler
        Seed of layout and routing, 0 to 2**32 - 1.
    initial_layout
        Physical qubit of each qubit of the circuit, distinct; chosen by the pass manager if left
        out.
    """

    optimization_level: int = Field(default=2, ge=0, le=3)
    seed_transpiler: int = Field(default=0, ge=0, lt=2**32)
    initial_layout: list[Annotated[int, Field(ge=0)]] | None = None


def transpile_to(
    target: Target,
    circuit: QuantumCircuit,
    options: TranspilationOptions,
    device: BackendV2 | None = None,
) -> QuantumCircuit:
    """Return a circuit in the gates of a target, on its qubits.

    Bound angles of gates with a limited range, such as the RZZ of fractional gates, are folded
    into that range.

    Parameters
    ----------
    target
        The gates and the connectivity of the device.
    circuit
        With its parameters bound.
    options
        How to transpile.
    device
        The device of the target, for passes of its own.

    Returns
    -------
    QuantumCircuit
        It has as many qubits as the target, and its `layout` says where each qubit of `circuit`
        went.

    Raises
    ------
    ConfigurationError
        If `initial_layout` does not fit the circuit or the target.
    TranspilerError
        If the target lacks what the circuit needs.
    """
    from qiskit.transpiler import generate_preset_pass_manager

    if options.initial_layout is not None:
        _check_layout(options.initial_layout, circuit.num_qubits, target.num_qubits)
    manager = generate_preset_pass_manager(
        options.optimization_level,
        **({"target": target} if device is None else {"backend": device}),
        initial_layout=options.initial_layout,
        seed_transpiler=options.seed_transpiler,
    )
    return manager.run(circuit)


def describe_transpiled(
    circuit: QuantumCircuit,
    transpiled: QuantumCircuit,
    target: Target,
    calibrated: str | None = None,
) -> Transpiled:
    """Return the record of a transpilation.

    Parameters
    ----------
    circuit
        Before.
    transpiled
        After, as `transpile_to` returned it.
    target
        Its durations are used.
    calibrated
        When the device was last calibrated, ISO 8601; None if not known.
    """
    layout = transpiled.layout
    return Transpiled(
        depth=transpiled.depth(),
        size=transpiled.size(),
        two_qubit_gates=transpiled.num_nonlocal_gates(),
        depth_before=circuit.depth(),
        size_before=circuit.size(),
        two_qubit_gates_before=circuit.num_nonlocal_gates(),
        duration_s=estimated_duration_s(transpiled, target),
        physical_qubits=[] if layout is None else layout.final_index_layout(),
        couplers=_couplers(target),
        calibrated=calibrated,
    )


def calibration_time(device: Any) -> str | None:
    """Return when a device of IBM's client was last calibrated, in UTC; None if not known."""
    properties = device.properties() if hasattr(device, "properties") else None
    last = None if properties is None else properties.last_update_date
    return None if last is None else last.astimezone(UTC).isoformat(timespec="seconds")


def _couplers(target: Target) -> list[tuple[int, int]]:
    """Return the pairs of qubits with a gate on both; none if there are no limits."""
    connected = target.build_coupling_map()
    pairs = connected.get_edges() if connected is not None else ()
    return sorted({(min(pair), max(pair)) for pair in pairs})


def estimated_duration_s(circuit: QuantumCircuit, target: Target) -> float | None:
    """Return how long a transpiled circuit takes on its device, in seconds.

    As Qiskit's ``QuantumCircuit.estimate_duration``: the longest path, without the reset and the
    delay between shots. None if the target lacks a duration, or the circuit branches.
    """
    from qiskit.circuit.exceptions import CircuitError
    from qiskit.exceptions import QiskitError

    try:
        return float(circuit.estimate_duration(target, unit="s"))
    except (QiskitError, CircuitError, TypeError, KeyError):
        return None


def _check_layout(layout: list[int], n_qubits: int, available: int | None) -> None:
    """Refuse an initial layout that does not fit the circuit or the device."""
    if len(layout) != n_qubits:
        message = "needs one physical qubit for each qubit of the circuit"
        found = f"{len(layout)} physical qubits for {n_qubits}"
        raise ConfigurationError(message, None, _INITIAL_LAYOUT_KEY, found, f"{n_qubits} numbers")
    if len(set(layout)) < n_qubits or (available is not None and max(layout) >= available):
        message = "must name distinct qubits of the device"
        valid = None if available is None else f"distinct numbers from 0 to {available - 1}"
        raise ConfigurationError(message, None, _INITIAL_LAYOUT_KEY, shown(layout), valid)
