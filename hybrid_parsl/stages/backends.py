"""What runs a circuit: Aer, or whatever a factory makes that is shaped like a SamplerV2."""

from __future__ import annotations

import importlib
import inspect
import logging
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.errors import ConfigurationError, HybridParslError, QuantumJobError
from hybrid_parsl.messages import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from qiskit import QuantumCircuit

    from hybrid_parsl.experiment import Quantum

AER = "aer"
_KEY = "quantum.backend"
_FEW_GATES = ("stabilizer", "extended_stabilizer")
_MOST_AT_ONCE = 2**18  # Aer's sampler holds each shot as text: about 300 bytes


@dataclass(frozen=True)
class Backend:
    """A sampler that is ready to run.

    Attributes
    ----------
    name
        The name and version, for the record.
    measure
        Runs a measured circuit a number of times; returns how often each bitstring came.
    """

    name: str
    measure: Callable[[QuantumCircuit, int], dict[str, int]]


def open_backend(quantum: Quantum) -> Backend:
    """Return the backend that the table ``[quantum]`` names.

    Raises
    ------
    ConfigurationError
        No such backend can be imported, or it makes no sampler.
    QuantumJobError
        The factory of the backend failed.
    """
    return _aer(quantum) if quantum.backend == AER else _imported(quantum)


def check_backend(quantum: Quantum, circuit: Callable[[], QuantumCircuit]) -> None:
    """Find out, without opening it, whether the backend is there and can run a circuit.

    Parameters
    ----------
    quantum
        The table ``[quantum]``.
    circuit
        Makes a circuit of the problem with angles as a search finds them.

    Raises
    ------
    ConfigurationError
        No such backend can be imported, its factory cannot be called or makes no sampler, or
        Aer's method has not the gates of the circuit.
    """
    if quantum.backend != AER:
        _check_factory(quantum.backend, _factory(quantum.backend)[1])
    elif quantum.method in _FEW_GATES:
        _check_gates(quantum.method, circuit())


def _check_gates(method: str, circuit: QuantumCircuit) -> None:
    """Refuse a method of Aer that cannot run a circuit: it is run with a single shot."""
    import qiskit_aer

    device = qiskit_aer.AerSimulator(method=method, n_qubits=circuit.num_qubits)
    logger = logging.getLogger(type(device).__mro__[1].__module__)
    was_disabled, logger.disabled = logger.disabled, True  # the error says it once
    try:
        measured = _fitted(circuit.measure_all(inplace=False), device)
        is_possible = device.run(measured, shots=1).result().success
    finally:
        logger.disabled = was_disabled
    if not is_possible:
        gates = ", ".join(sorted(circuit.count_ops()))
        message = f"cannot run the circuit of this problem at any angles, with its gates {gates}"
        valid = "automatic, statevector, density_matrix or matrix_product_state"
        raise ConfigurationError(message, None, "quantum.method", shown(method), valid)


def _check_factory(name: str, factory: Any) -> None:
    """Refuse a factory that does not take the table, or is known to make no sampler.

    What it makes is known if it is a class or says so by its annotation.
    """
    valid = "a callable that takes the table [quantum] and makes something like a SamplerV2"
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # of a class written in C, which says nothing
        return
    try:
        signature.bind(None)
    except TypeError:
        message = f"cannot be called with the table [quantum]: its signature is {signature}"
        raise ConfigurationError(message, None, _KEY, shown(name), valid) from None
    made = factory if isinstance(factory, type) else signature.return_annotation
    if not isinstance(made, type) or made in {inspect.Signature.empty, object}:
        return
    run = getattr(made, "run", None)
    if not callable(run):
        message = f"makes no sampler: {made.__name__} has no method run"
        raise ConfigurationError(message, None, _KEY, shown(name), valid)
    _check_run(name, made.__name__, run, bound=False)


def _check_run(name: str, owner: str, run: Any, *, bound: bool) -> None:
    """Refuse a method `run` that cannot be called as that of a SamplerV2."""
    try:
        signature = inspect.signature(run)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*([] if bound else [None]), [None], shots=1)
    except TypeError:
        message = f"makes no sampler: the signature of run of {owner} is {signature}"
        raise ConfigurationError(
            message, None, _KEY, shown(name), "run(pubs, *, shots=...), as a SamplerV2 has it"
        ) from None


def _aer(quantum: Quantum) -> Backend:
    """Return Aer's sampler with the method and seed of the experiment."""
    import qiskit_aer
    from qiskit_aer.primitives import SamplerV2

    def measure(circuit: QuantumCircuit, shots: int) -> dict[str, int]:
        total: Counter[str] = Counter()
        device = {"method": quantum.method, "n_qubits": circuit.num_qubits}
        options = {"backend_options": device}
        ready = _fitted(circuit, qiskit_aer.AerSimulator(**device))
        for part, done in enumerate(range(0, shots, _MOST_AT_ONCE)):
            sampler = SamplerV2(seed=_part_seed(quantum.seed, part), options=options)
            total.update(_counts(sampler, ready, min(_MOST_AT_ONCE, shots - done)))
        return dict(total)

    return Backend(f"aer {qiskit_aer.__version__} ({quantum.method})", measure)


def _part_seed(seed: int, part: int) -> int:
    """Return the seed of a part of the shots; the first part has that of the experiment."""
    if part == 0:
        return seed
    return int(np.random.SeedSequence([seed, part]).generate_state(1)[0])


def _imported(quantum: Quantum) -> Backend:
    """Return the sampler that the factory ``package.module:factory`` makes."""
    module, factory = _factory(quantum.backend)
    try:
        sampler = factory(quantum)
    except HybridParslError:
        raise
    except Exception as error:  # a factory may raise anything
        raise QuantumJobError(quantum.backend, f"{type(error).__name__}: {error}") from error
    if not callable(getattr(sampler, "run", None)):
        message = "makes no sampler: what it returned has no method run"
        raise ConfigurationError(message, None, _KEY, shown(sampler), "something like a SamplerV2")
    _check_run(quantum.backend, type(sampler).__name__, sampler.run, bound=True)
    device = getattr(sampler, "backend", None)

    def measure(circuit: QuantumCircuit, shots: int) -> dict[str, int]:
        return _counts(sampler, _fitted(circuit, device), shots)

    version = getattr(sys.modules.get(module.partition(".")[0]), "__version__", "")
    return Backend(f"{quantum.backend} {version}".rstrip(), measure)


def _factory(name: str) -> tuple[str, Any]:
    """Return the module and the callable that ``package.module:factory`` names."""
    valid = f"{AER}, or package.module:factory"
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        suggestion = nearest(name, [AER])
        raise ConfigurationError("unknown backend", None, _KEY, shown(name), valid, suggestion)
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a plug-in may raise anything while it is imported
        message = f"cannot import it: {type(error).__name__}: {error}"
        raise ConfigurationError(message, None, _KEY, shown(name), valid) from error
    if not callable(factory):
        raise ConfigurationError("is not a factory", None, _KEY, shown(name), valid)
    return module, factory


def _fitted(circuit: QuantumCircuit, device: Any) -> QuantumCircuit:
    """Return the circuit in the gates of `device`; as it is where no device says them."""
    if getattr(device, "target", None) is None:
        return circuit
    from qiskit import transpile

    return transpile(circuit, device, optimization_level=1, seed_transpiler=0)


def _counts(sampler: Any, circuit: QuantumCircuit, shots: int) -> dict[str, int]:
    """Run a circuit on something shaped like a SamplerV2; return its counts."""
    data = sampler.run([circuit], shots=shots).result()[0].data
    register = circuit.cregs[-1].name  # that of measure_all comes after the circuit's own
    counts = getattr(data, register).get_counts()
    return {str(bits): int(count) for bits, count in counts.items()}
