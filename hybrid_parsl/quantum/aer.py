"""The backend ``aer``: Qiskit's simulator on this host, without noise."""

from __future__ import annotations

import dataclasses
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.quantum.backend import OPTIONS_KEY, BackendOptions, QuantumBackend
from hybrid_parsl.simulate.aer import translate
from hybrid_parsl.simulate.free_memory import check_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qiskit import QuantumCircuit
    from qiskit.primitives import PrimitiveJob, PrimitiveResult, SamplerPubResult
    from qiskit.primitives.containers.sampler_pub import SamplerPub

    from hybrid_parsl.experiment import Quantum
    from hybrid_parsl.quantum.backend import Estimator, Sampler

AerMethod = Literal[
    "automatic",
    "statevector",
    "density_matrix",
    "stabilizer",
    "extended_stabilizer",
    "matrix_product_state",
]

_AUTOMATIC = "automatic"
_CLIFFORD_METHODS = ("stabilizer", "extended_stabilizer")
# Methods that hold 2**n or 4**n amplitudes; "automatic" begins with a state vector
_AMPLITUDE_POWERS = {"automatic": 1, "statevector": 1, "density_matrix": 2}
_AMPLITUDE_BYTES = {"double": 16, "single": 8}
_MAX_SHOTS_PER_CALL = 2**18  # Aer's sampler holds each shot as text: about 300 bytes


class AerOptions(BackendOptions):
    """``[quantum.options]`` of ``aer``, with the names of the options of ``AerSimulator``.

    Attributes
    ----------
    method
        Simulation method; the same as ``quantum.method``.
    device
        ``CPU`` or ``GPU``.
    precision
        ``double`` (complex128) or ``single`` (complex64).
    max_parallel_threads
        Most threads, 0 for all cores.
    matrix_product_state_max_bond_dimension
        Largest bond dimension, unlimited if left out.
    matrix_product_state_truncation_threshold
        Sum of the squared Schmidt coefficients that are discarded, 0 to 1.
    """

    method: AerMethod = "automatic"
    device: Literal["CPU", "GPU"] = "CPU"
    precision: Literal["double", "single"] = "double"
    max_parallel_threads: int = Field(default=0, ge=0, le=4096)
    matrix_product_state_max_bond_dimension: int | None = Field(default=None, ge=1)
    matrix_product_state_truncation_threshold: float = Field(default=1e-16, ge=0, lt=1)


class AerBackend(QuantumBackend):
    """Aer's simulator with the method and the seed of the experiment."""

    Options: ClassVar[type[BackendOptions]] = AerOptions
    is_reproducible: ClassVar[bool] = True
    takes_device: ClassVar[bool] = True
    options: AerOptions

    @classmethod
    def open(cls, settings: Quantum, device: str = "") -> QuantumBackend:
        """Return this backend for ``aer``, and one with the noise of a device for ``aer:NAME``."""
        if not device:
            return cls(settings)
        from hybrid_parsl.quantum.noise_model import NoisyAerBackend

        return NoisyAerBackend(settings, device)

    @classmethod
    def read_options(cls, settings: Quantum) -> BackendOptions:
        """Validate ``[quantum.options]``, with ``quantum.method`` as its ``method``."""
        if settings.method == _AUTOMATIC:
            return super().read_options(settings)
        key = f"{OPTIONS_KEY}.method"
        if "method" in settings.options:
            message = "specify the method only once: quantum.method is the same"
            raise ConfigurationError(message, None, key, shown(settings.options["method"]))
        options = {"method": settings.method, **settings.options}
        try:
            return super().read_options(settings.model_copy(update={"options": options}))
        except ConfigurationError as error:
            if error.key != key:
                raise
            raise dataclasses.replace(error, key="quantum.method") from error

    @property
    def name(self) -> str:
        """``aer``, its version and the method."""
        import qiskit_aer

        return f"aer {qiskit_aer.__version__} ({self.options.method})"

    def sampler(self) -> Sampler:
        """Return Aer's sampler, which takes many shots in parts."""
        return AerSampler(self.settings.seed, self.settings.shots, self._simulator_options)

    def estimator(self) -> Estimator:
        """Return an estimator that samples each measurement basis with a seed of its own."""
        from hybrid_parsl.quantum.pauli_estimator import PauliEstimator

        def sampler(seed: int) -> AerSampler:
            return AerSampler(seed, self.settings.shots, self._simulator_options)

        return PauliEstimator(sampler, self.settings.seed, self.settings.target_precision)

    def prepare(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit in the gates of the simulation method."""
        import qiskit_aer

        device = qiskit_aer.AerSimulator(**self._simulator_options, n_qubits=circuit.num_qubits)
        return translate(circuit, device)

    def check(self, circuit: Callable[[], QuantumCircuit]) -> None:
        """Refuse a device that Aer does not have and a method without the circuit's gates."""
        if self.options.device != "CPU":
            self._check_device()
        if self.options.method in _CLIFFORD_METHODS:
            self._check_gates(circuit())

    def check_memory(self, n_qubits: int, size_key: str) -> None:
        """Refuse a state, or a number of shots, that needs more memory than is free."""
        shots = self.settings.shots
        each = 2 * -(-n_qubits // 8)  # the bits of a shot, in its part and joined
        what = f"Aer's record of {shots} shots"
        check_memory(
            shots * each, what, "quantum.shots", lambda free: f"at most {free // each} shots"
        )
        method, powers = self.options.method, _AMPLITUDE_POWERS.get(self.options.method)
        simulator = self._simulator_options
        if powers is None or simulator.get("device", "CPU") != "CPU":
            return
        amplitude = _AMPLITUDE_BYTES[simulator.get("precision", "double")]

        def fitting(free: int) -> str:
            most = max(0, (free // amplitude).bit_length() - 1)
            fits = f"{most // powers} qubits"
            return f"statevector, or {fits}" if powers > 1 and n_qubits <= most else fits

        key = size_key if powers == 1 else self._method_key
        needed = amplitude << powers * n_qubits
        check_memory(needed, f"Aer's {method} of {n_qubits} qubits", key, fitting)

    @property
    def _simulator_options(self) -> dict[str, Any]:
        """The options of ``AerSimulator``: the method and what the experiment specifies."""
        specified = self.options.model_dump(exclude_unset=True)
        return {"method": self.options.method, **specified}

    @property
    def _method_key(self) -> str:
        """The dotted key that specifies the method."""
        return f"{OPTIONS_KEY}.method" if "method" in self.settings.options else "quantum.method"

    def _check_device(self) -> None:
        """Refuse a device that this installation of Aer cannot use."""
        import qiskit_aer

        devices = qiskit_aer.AerSimulator().available_devices()
        if self.options.device not in devices:
            message, found = "Aer has no such device here", self.options.device
            key, valid = f"{OPTIONS_KEY}.device", ", ".join(devices)
            raise ConfigurationError(message, None, key, found, valid)

    def _check_gates(self, circuit: QuantumCircuit) -> None:
        """Run a circuit with a single shot and refuse a method that cannot."""
        import qiskit_aer

        device = qiskit_aer.AerSimulator(**self._simulator_options, n_qubits=circuit.num_qubits)
        logger = logging.getLogger(type(device).__mro__[1].__module__)
        was_disabled, logger.disabled = logger.disabled, True  # the error reports it once
        try:
            measured = self.prepare(circuit.measure_all(inplace=False))
            is_possible = device.run(measured, shots=1).result().success
        finally:
            logger.disabled = was_disabled
        if not is_possible:
            gates = ", ".join(sorted(circuit.count_ops()))
            message = (
                f"cannot run the circuit of this problem at any angles, with its gates {gates}"
            )
            valid = "automatic, statevector, density_matrix or matrix_product_state"
            found = shown(self.options.method)
            raise ConfigurationError(message, None, self._method_key, found, valid)


class SeededSampler(ABC):
    """A ``SamplerV2`` whose counts follow from its seed.

    Parameters
    ----------
    seed
        Seed of the first call of the simulator; the others have seeds derived from it.
    shots
        Number of shots where neither a PUB nor `run` specifies one.
    """

    def __init__(self, seed: int, shots: int) -> None:
        self._seed = seed
        self._shots = shots

    def run(
        self, pubs: Iterable[Any], *, shots: int | None = None
    ) -> PrimitiveJob[PrimitiveResult[SamplerPubResult]]:
        """Start a job; parameters and result are those of ``BaseSamplerV2.run``."""
        from qiskit.primitives import PrimitiveJob
        from qiskit.primitives.containers.sampler_pub import SamplerPub

        coerced = [SamplerPub.coerce(pub, shots or self._shots) for pub in pubs]
        job = PrimitiveJob(self._run, coerced)
        job._submit()  # noqa: SLF001 - as each primitive of Qiskit does
        return job

    def _run(self, pubs: Sequence[SamplerPub]) -> PrimitiveResult[SamplerPubResult]:
        """Run all PUBs."""
        from qiskit.primitives import PrimitiveResult

        return PrimitiveResult(self._results(pubs), metadata={"version": 2})

    @abstractmethod
    def _results(self, pubs: Sequence[SamplerPub]) -> list[SamplerPubResult]:
        """Return the result of each PUB."""


class AerSampler(SeededSampler):
    """Aer's ``SamplerV2`` in parts of 2**18 shots, each with a seed of its own.

    Parameters
    ----------
    seed, shots
        As in `SeededSampler`.
    options
        Options of ``AerSimulator``.
    """

    def __init__(self, seed: int, shots: int, options: dict[str, Any]) -> None:
        super().__init__(seed, shots)
        self._options = options

    def _results(self, pubs: Sequence[SamplerPub]) -> list[SamplerPubResult]:
        """Run all PUBs together."""
        from qiskit_aer.primitives import SamplerV2

        n_qubits = max((pub.circuit.num_qubits for pub in pubs), default=1)
        options = {"backend_options": {**self._options, "n_qubits": n_qubits}}
        return sample_in_parts(pubs, self._seed, lambda seed: SamplerV2(seed=seed, options=options))


def sample_in_parts(
    pubs: Sequence[SamplerPub], seed: int, sampler: Callable[[int], Sampler]
) -> list[SamplerPubResult]:
    """Run all PUBs, those with many shots in several calls with a seed of their own.

    Parameters
    ----------
    pubs
        With their shots.
    seed
        Seed of the first call.
    sampler
        Makes a sampler with a seed.
    """
    from qiskit.primitives.containers.sampler_pub import SamplerPub

    most_shots = max((pub.shots for pub in pubs), default=0)
    results: list[list[SamplerPubResult]] = [[] for _ in pubs]
    for part, done in enumerate(range(0, most_shots, _MAX_SHOTS_PER_CALL)):
        due = [index for index, pub in enumerate(pubs) if pub.shots > done]
        smaller = [
            SamplerPub(
                pubs[index].circuit,
                pubs[index].parameter_values,
                min(_MAX_SHOTS_PER_CALL, pubs[index].shots - done),
            )
            for index in due
        ]
        job = sampler(part_seed(seed, part)).run(smaller)
        for index, result in zip(due, job.result(), strict=True):
            results[index].append(result)
    return [_joined(parts) for parts in results]


def part_seed(seed: int, part: int) -> int:
    """Return the seed of a part of a job; the first part has that of the experiment."""
    if part == 0:
        return seed
    return int(np.random.SeedSequence([seed, part]).generate_state(1)[0])


def _joined(parts: Sequence[SamplerPubResult]) -> SamplerPubResult:
    """Return the shots of several results of one circuit as one result."""
    from qiskit.primitives import BitArray, DataBin, SamplerPubResult

    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    bits = {
        name: BitArray.concatenate_shots([part.data[name] for part in parts]) for name in first.data
    }
    shots = sum(part.metadata["shots"] for part in parts)
    return SamplerPubResult(
        DataBin(**bits, shape=first.data.shape), metadata={**first.metadata, "shots": shots}
    )


def warm_up() -> None:
    """Import what the primitives need, and run the smallest circuit."""
    import qiskit_aer.primitives
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    simulator = qiskit_aer.AerSimulator(n_qubits=1)
    simulator.run(translate(circuit, simulator), shots=1).result()
