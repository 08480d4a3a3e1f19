"""Run the jobs of the loopback quantum service: one a line on standard input, one answer a line.

Qubits that no two-qubit gate joins are independent. Each joined group is simulated by itself, with
the noise of its part of the device, and a lone qubit (the client's Estimator measures all of the
device) needs no simulator, so a job on 156 qubits takes about a second.

A process of its own: Aer on the threads of an HTTP server has ended it with SIGSEGV.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import importlib
import json
import sys
import traceback
from typing import TYPE_CHECKING, Any

import numpy as np
from qiskit.circuit import ControlFlowOp, Parameter, ParameterExpression
from qiskit.exceptions import QiskitError
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2

from hybrid_parsl.quantum.active_device import ActiveDevice, restrict_circuit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from qiskit import QuantumCircuit
    from qiskit.providers import BackendV2

REP_DELAY_S = 250e-6
"""Delay between two executions, ``default_rep_delay`` of IBM's Heron devices."""
_UNKNOWN_DURATION_S = 100e-6
_MOST_IN_DENSITY_MATRIX = 9
_IDLE = ("barrier", "delay")


def joined_qubits(circuit: QuantumCircuit) -> list[list[int]]:
    """Return the groups of qubits that gates join; every qubit that is used is in one of them."""
    parent: dict[int, int] = {}

    def root(qubit: int) -> int:
        while parent.setdefault(qubit, qubit) != qubit:
            qubit = parent[qubit]
        return qubit

    for instruction in circuit.data:
        if instruction.operation.name not in _IDLE:
            qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
            for qubit in qubits:
                parent[root(qubit)] = root(qubits[0])
    if any(isinstance(each.operation, ControlFlowOp) for each in circuit.data):
        return [sorted(parent)]
    groups: dict[int, list[int]] = {}
    for qubit in sorted(parent):
        groups.setdefault(root(qubit), []).append(qubit)
    return list(groups.values())


def only(circuit: QuantumCircuit, qubits: list[int]) -> QuantumCircuit:
    """Return the instructions of a circuit that act on some of its qubits alone."""
    inside = {circuit.qubits[qubit] for qubit in qubits}
    kept = circuit.copy_empty_like()
    for each in circuit.data:
        if each.operation.name not in _IDLE and set(each.qubits) <= inside:
            kept.append(each)
    return restrict_circuit(kept, qubits)


def angles(angle: Any, values: NDArray[Any], index: Mapping[str, int]) -> NDArray[Any]:
    """Return the angle of a gate for each row of parameter values."""
    if isinstance(angle, Parameter):
        return values[:, index[angle.name]]
    if isinstance(angle, ParameterExpression):
        return np.array(
            [
                float(angle.bind({each: row[index[each.name]] for each in angle.parameters}))
                for row in values
            ]
        )
    return np.full(len(values), float(angle))


def sample_lone_qubit(
    circuit: QuantumCircuit,
    values: NDArray[Any],
    index: Mapping[str, int],
    shots: int,
    readout_error: float,
    rng: np.random.Generator,
) -> dict[Any, NDArray[Any]]:
    """Return the bits of a circuit on one qubit, for all rows at once: only the readout errs."""
    state = np.zeros((len(values), 2), complex)
    state[:, 0] = 1
    bits = {}
    for each in circuit.data:
        if each.operation.name == "measure":
            one = np.abs(state[:, 1]) ** 2
            one = one * (1 - readout_error) + (1 - one) * readout_error
            bits[each.clbits[0]] = rng.random((len(values), shots)) < one[:, None]
        elif each.operation.name == "rz":
            turn = angles(each.operation.params[0], values, index)
            state = state * np.exp(np.stack([-0.5j * turn, 0.5j * turn], axis=1))
        elif each.operation.name == "reset":
            state = np.tile([1.0 + 0j, 0], (len(values), 1))
        else:
            state = state @ each.operation.to_matrix().T
    return bits


def measures(circuit: QuantumCircuit) -> bool:
    """Return whether a circuit may measure something."""
    return any(
        each.operation.name == "measure" or isinstance(each.operation, ControlFlowOp)
        for each in circuit.data
    )


def sample(
    device: BackendV2, circuit: QuantumCircuit, values: NDArray[Any], shots: int, seed: int
) -> dict[str, NDArray[Any]]:
    """Return the bits of each register, shape ``(*rows, shots, size)``.

    `values` has the shape ``(*rows, n_parameters)``.
    """
    shape = values.shape[:-1]
    flat = values.reshape(int(np.prod(shape)), values.shape[-1])
    index = {parameter.name: number for number, parameter in enumerate(circuit.parameters)}
    rng = np.random.default_rng(seed)
    data = {each.name: np.zeros((len(flat), shots, each.size), bool) for each in circuit.cregs}
    for number, qubits in enumerate(joined_qubits(circuit)):
        part = only(circuit, qubits)
        if not measures(part):
            continue
        if len(qubits) == 1:
            entry = device.target["measure"].get((qubits[0],))
            error = (entry.error if entry else None) or 0.0
            drawn = sample_lone_qubit(part, flat, index, shots, error, rng)
            for bit, column in drawn.items():
                register, place = part.find_bit(bit).registers[0]
                data[register.name][:, :, place] = column
            continue
        method = "density_matrix" if len(qubits) <= _MOST_IN_DENSITY_MATRIX else "automatic"
        simulator = AerSimulator.from_backend(ActiveDevice(device, qubits), method=method)
        own = list(part.parameters)
        columns = flat[:, [index[each.name] for each in own]]
        pub = SamplerPub(part, BindingsArray({tuple(own): columns}) if own else None, shots)
        sampler = SamplerV2.from_backend(simulator, seed=seed + number)
        for name, bits in sampler.run([pub]).result()[0].data.items():
            found = bits.to_bool_array(order="little")
            data[name] |= found.reshape(-1, shots, bits.num_bits)
    return {name: bits.reshape(*shape, shots, bits.shape[-1]) for name, bits in data.items()}


def qpu_seconds(device: BackendV2, circuit: QuantumCircuit, executions: int) -> float:
    """Return the QPU seconds that executions of a circuit are charged."""
    try:
        duration = circuit.estimate_duration(device.target, unit="s")
    except QiskitError:  # control flow, or a gate without a duration
        duration = _UNKNOWN_DURATION_S
    return executions * (duration + REP_DELAY_S)


def run_executor(device: BackendV2, params: dict[str, Any], seed: int) -> tuple[str, float]:
    """Run a quantum program of the client-side primitives, in version 2.0 of its schema."""
    from ibm_quantum_schemas.common import CompressedTensorModel
    from ibm_quantum_schemas.executor import version_2_0 as schema
    from qiskit_ibm_runtime.fake_provider.executor.broadcast_sample import broadcast_sample
    from qiskit_ibm_runtime.quantum_program.converters.converters_2_0 import (
        passthrough_data_to_2_0,
        quantum_program_from_2_0,
    )

    program, _ = quantum_program_from_2_0(schema.ParamsModel.model_validate(params))
    data, spans, total_s = [], [], 0.0
    for number, item in enumerate(program.items):
        begun = dt.datetime.now(dt.UTC)
        found: dict[str, NDArray[Any]] = {}
        if hasattr(item, "samplex"):
            item.samplex.finalize()  # one that came over the wire is not yet
            rng = np.random.default_rng(seed + number)
            arguments = item.samplex_arguments
            found = dict(broadcast_sample(item.samplex, arguments, item.shape, rng))
            values = found.pop("parameter_values")
        else:
            values = item.circuit_arguments
        values = np.asarray(values)
        found |= sample(device, item.circuit, values, program.shots, seed + 1000 * number)
        size = int(np.prod(values.shape[:-1]))
        total_s += qpu_seconds(device, item.circuit, size * program.shots)
        tensors = {key: CompressedTensorModel.from_numpy(each) for key, each in found.items()}
        data.append({"results": tensors, "metadata": {}})
        part = {
            "idx_item": number,
            "size": size,
            "permutation": list(range(values.ndim - 1)),
            "element_range": (0, size, 1),
        }
        spans.append({"start": begun, "stop": dt.datetime.now(dt.UTC), "parts": [part]})
    result = schema.QuantumProgramResultModel(
        data=data,
        metadata={"chunk_timing": spans},
        semantic_role=program._semantic_role,
        passthrough_data=passthrough_data_to_2_0(program.passthrough_data),
    )
    return result.model_dump_json(), total_s


@functools.cache
def device_of(name: str) -> BackendV2:
    """Return the snapshot whose files are in the folder `name` of the client."""
    module = importlib.import_module(f"qiskit_ibm_runtime.fake_provider.backends.{name}")
    classes = [
        each
        for key, each in vars(module).items()
        if key.startswith("Fake") and hasattr(each, "conf_filename")
    ]
    return classes[-1]()


def answer_to(line: str) -> dict[str, Any]:
    """Run the job in a line; a failure is its result."""
    asked = json.loads(line)
    seed = int.from_bytes(asked["job"].encode()[-4:], "big") % 2**31
    try:
        text, seconds = run_executor(device_of(asked["device"]), asked["params"], seed)
    except Exception as error:  # noqa: BLE001 - whatever it is, the client reads it
        reason = f"{type(error).__name__}: {error}"[:400]
        return {"text": traceback.format_exc(), "seconds": 0.0, "error": reason}
    return {"text": text, "seconds": seconds, "error": None}


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr
    with contextlib.suppress(BrokenPipeError):  # the server was ended
        for each in sys.stdin:
            print(json.dumps(answer_to(each)), file=answers, flush=True)
