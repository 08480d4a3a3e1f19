"""The backends ``fake:NAME`` and ``aer:NAME``: the noise of a device, simulated on this host.

Both transpile to the whole device NAME and simulate its active qubits with their errors. ``fake``
has the options of a device, so that an experiment for it suits the device as it is; ``aer`` has
those of the simulator as well.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.quantum.aer import (
    AerBackend,
    AerOptions,
    SeededSampler,
    part_seed,
    sample_in_parts,
)
from hybrid_parsl.quantum.backend import KEY, QuantumBackend
from hybrid_parsl.quantum.device_snapshots import fake_device, package_version, short_name
from hybrid_parsl.quantum.pauli_estimator import PauliEstimator
from hybrid_parsl.quantum.transpilation import TranspilationOptions, calibration_time
from hybrid_parsl.simulate.free_memory import check_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qiskit import QuantumCircuit
    from qiskit.primitives import SamplerPubResult
    from qiskit.primitives.containers.sampler_pub import SamplerPub
    from qiskit.providers import BackendV2
    from qiskit.transpiler import Target

    from hybrid_parsl.experiment import Quantum
    from hybrid_parsl.quantum.backend import BackendOptions, Estimator, Sampler

_MOST_IN_DENSITY_MATRIX = 10
"""Qubits up to which a density matrix (16 MiB) takes less time than some 1000 state vectors."""
_AMPLITUDE_BYTES = 16
_NOISELESS_METHODS = ("stabilizer", "extended_stabilizer")
_VALID_METHODS = "automatic, density_matrix, statevector or matrix_product_state"


class NoisyAerOptions(TranspilationOptions, AerOptions):
    """``[quantum.options]`` of ``aer:NAME``: those of ``aer``, and how circuits are transpiled.

    Attributes
    ----------
    max_parallel_threads
        Most threads, 0 for all cores.
    """

    max_parallel_threads: int = Field(default=1, ge=0, le=4096)


class FakeOptions(TranspilationOptions):
    """``[quantum.options]`` of ``fake:NAME``.

    Attributes
    ----------
    method
        ``density_matrix``, whose time does not depend on the shots and whose memory is 16 bytes
        times 4**n for n active qubits; ``statevector``, one trajectory a shot; or ``automatic``:
        the first for at most 10 active qubits.
    max_parallel_threads
        Most threads, 0 for all cores.
    """

    method: Literal["automatic", "density_matrix", "statevector"] = "automatic"
    max_parallel_threads: int = Field(default=1, ge=0, le=4096)


class NoisyAerBackend(AerBackend):
    """Aer with gates, connectivity and noise of a device, on the qubits that a circuit uses.

    Parameters
    ----------
    settings
        The table ``[quantum]``.
    device
        Name of one of IBM's devices.

    Raises
    ------
    ConfigurationError
        If the device is missing, or an option is invalid.
    """

    Options: ClassVar[type[BackendOptions]] = NoisyAerOptions

    def __init__(self, settings: Quantum, device: str = "") -> None:
        super().__init__(settings, device)
        if not device:
            message, name = "specify a device", settings.backend
            raise ConfigurationError(message, None, KEY, shown(name), f"{name}:NAME")

    @classmethod
    def open(cls, settings: Quantum, device: str = "") -> QuantumBackend:
        """Return a backend of this class."""
        return cls(settings, device)

    @property
    def name(self) -> str:
        """``aer`` or ``fake`` with the device, and the versions of simulator and snapshot."""
        from importlib.metadata import version

        kind = self.settings.backend.partition(":")[0]
        simulator = f"qiskit-aer {version('qiskit-aer')}, {self.options.method}"
        return f"{kind}:{short_name(self.device)} ({simulator}; {package_version()})"

    @property
    def target(self) -> Target:
        """The gates and the connectivity of the whole device.

        Raises
        ------
        ConfigurationError
            If there is no such device.
        """
        return self._whole.target

    @property
    def calibrated(self) -> str | None:
        """When the snapshot of the device was calibrated."""
        return calibration_time(self._whole)

    def sampler(self) -> Sampler:
        """Return a sampler of circuits that `prepare` returned."""
        return NoisySampler(self.simulator, self.settings.seed, self.settings.shots)

    def estimator(self) -> Estimator:
        """Return an estimator that samples; its default precision is that of the shots."""
        return PauliEstimator(
            lambda seed: NoisySampler(self.simulator, seed, self.settings.shots),
            self.settings.seed,
            self.settings.target_precision,
            self.target,
        )

    def prepare(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit transpiled to the whole device."""
        return QuantumBackend.prepare(self, circuit)

    def check(self, circuit: Callable[[], QuantumCircuit]) -> None:
        """Refuse an unknown device, a circuit that it cannot run, a method without noise."""
        simulator = self._simulator_options
        if simulator["method"] in _NOISELESS_METHODS:
            message = "cannot simulate the noise of a device"
            found = shown(simulator["method"])
            raise ConfigurationError(message, None, self._method_key, found, _VALID_METHODS)
        if simulator.get("device", "CPU") != "CPU":
            self._check_device()
        QuantumBackend.check(self, circuit)

    def simulator(self, qubits: list[int]) -> BackendV2:
        """Return a simulator of some qubits of the device.

        Parameters
        ----------
        qubits
            Physical qubits, ascending; qubit *i* of the simulator is ``qubits[i]``.

        Raises
        ------
        InsufficientMemoryError
            If their density matrix does not fit into the memory of this host.
        """
        from qiskit_aer import AerSimulator

        from hybrid_parsl.quantum.active_device import ActiveDevice

        options, n_qubits = self._simulator_options, len(qubits)
        if options["method"] == "automatic":
            is_small = n_qubits <= _MOST_IN_DENSITY_MATRIX
            options["method"] = "density_matrix" if is_small else "statevector"
        if options["method"] == "density_matrix" and options.get("device", "CPU") == "CPU":
            what = f"a density matrix of {n_qubits} active qubits"
            check_memory(
                _AMPLITUDE_BYTES << 2 * n_qubits, what, self._method_key, lambda _: "statevector"
            )
        return AerSimulator.from_backend(ActiveDevice(self._whole, qubits), **options)

    @cached_property
    def _whole(self) -> BackendV2:
        """The snapshot of the whole device."""
        return fake_device(self.device, self.settings.backend)

    @property
    def _simulator_options(self) -> dict[str, Any]:
        """The options of ``AerSimulator``: those that are not about transpilation."""
        specified = {"max_parallel_threads": self.options.max_parallel_threads}
        specified |= super()._simulator_options
        return {k: v for k, v in specified.items() if k not in TranspilationOptions.model_fields}


class FakeBackend(NoisyAerBackend):
    """A stand-in for a device of IBM's: what a run on it does, simulated with its noise."""

    Options: ClassVar[type[BackendOptions]] = FakeOptions


class NoisySampler(SeededSampler):
    """A ``SamplerV2`` of circuits over a whole device, which simulates their active qubits.

    Parameters
    ----------
    simulator
        Makes a simulator of some physical qubits.
    seed, shots
        As in `SeededSampler`; each device and number of shots has a seed of its own.
    """

    def __init__(self, simulator: Callable[[list[int]], BackendV2], seed: int, shots: int) -> None:
        super().__init__(seed, shots)
        self._simulator = simulator

    def _results(self, pubs: Sequence[SamplerPub]) -> list[SamplerPubResult]:
        """Run PUBs with the same active qubits and shots together, on a device of these qubits."""
        from hybrid_parsl.quantum.active_device import active_qubits

        together: dict[tuple[int, ...], dict[int, list[int]]] = {}
        for index, pub in enumerate(pubs):
            qubits = tuple(sorted(active_qubits(pub.circuit)) or [0])
            together.setdefault(qubits, {}).setdefault(pub.shots, []).append(index)
        results: dict[int, SamplerPubResult] = {}
        for qubits, by_shots in together.items():
            simulator = self._simulator(list(qubits))  # its noise model takes a while
            for members in by_shots.values():
                seed = part_seed(self._seed, members[0])  # Aer derives one for each circuit
                part = _sample([pubs[each] for each in members], list(qubits), simulator, seed)
                results |= dict(zip(members, part, strict=True))
        return [results[k] for k in range(len(pubs))]


def _sample(
    pubs: Sequence[SamplerPub], qubits: list[int], simulator: BackendV2, seed: int
) -> list[SamplerPubResult]:
    """Run PUBs on a simulator of their active qubits."""
    from qiskit.primitives import BackendSamplerV2
    from qiskit.primitives.containers.sampler_pub import SamplerPub

    from hybrid_parsl.quantum.active_device import restrict_circuit

    restricted = [
        SamplerPub(restrict_circuit(pub.circuit, qubits), pub.parameter_values, pub.shots)
        for pub in pubs
    ]
    return sample_in_parts(
        restricted,
        seed,
        lambda part: BackendSamplerV2(backend=simulator, options={"seed_simulator": part}),
    )
