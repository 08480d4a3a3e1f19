"""The contract of a quantum backend: the class that ``[quantum] backend`` names."""

from __future__ import annotations

import hashlib
import json
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, ValidationError

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp
    from qiskit.transpiler import Target

    from hybrid_parsl.experiment import Quantum
    from hybrid_parsl.quantum.qpu_time import QpuEstimate
    from hybrid_parsl.results import Transpiled

KEY = "quantum.backend"
OPTIONS_KEY = "quantum.options"
LIMIT_KEY = "quantum.max_qpu_seconds"


@runtime_checkable
class Sampler(Protocol):
    """The part of Qiskit's ``BaseSamplerV2`` that is used."""

    def run(self, pubs: Iterable[Any], *, shots: int | None = None) -> Any:
        """Start a job whose ``result()`` holds one ``SamplerPubResult`` per PUB."""


@runtime_checkable
class Estimator(Protocol):
    """The part of Qiskit's ``BaseEstimatorV2`` that is used."""

    def run(self, pubs: Iterable[Any], *, precision: float | None = None) -> Any:
        """Start a job whose ``result()`` holds one ``PubResult`` per PUB."""


class QpuUsage(NamedTuple):
    """What measurements on a QPU were charged.

    Attributes
    ----------
    job_id
        The service's id of the job; several are separated by a comma and a space.
    usage_s
        QPU seconds that were charged, repeated jobs included; None if it is not known.
    estimated_usage_s
        QPU seconds that were estimated before the submission; None if it is not known.
    """

    job_id: str
    usage_s: float | None
    estimated_usage_s: float | None


class BackendOptions(BaseModel):
    """Base of the model of ``[quantum.options]``: frozen, strict, refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class QuantumBackend(ABC):
    """Base class of quantum backends.

    The constructor runs on the driver as well, to validate the options: connect to a device in
    `sampler`, `estimator` or `target`, not there.

    Parameters
    ----------
    settings
        The table ``[quantum]``.
    device
        The part of the name after the colon, as in ``name:device``.

    Attributes
    ----------
    Options
        The model of ``[quantum.options]``; without one, any option is an error.
    takes_device
        Whether ``name:device`` is a valid name.
    is_reproducible
        Whether the same seed gives the same counts, so that later runs may reuse them.
    is_remote
        Whether it is reached through an account, which not every host has.
    settings, options, device
        The table, its validated options, and the name of the device.

    Raises
    ------
    ConfigurationError
        If the options are invalid.
    """

    Options: ClassVar[type[BackendOptions]] = BackendOptions
    takes_device: ClassVar[bool] = False
    is_reproducible: ClassVar[bool] = False
    is_remote: ClassVar[bool] = False

    def __init__(self, settings: Quantum, device: str = "") -> None:
        self.settings = settings
        self.device = device
        self.options = self.read_options(settings)

    @classmethod
    def read_options(cls, settings: Quantum) -> BackendOptions:
        """Validate ``[quantum.options]``.

        Raises
        ------
        ConfigurationError
            If a key is unknown or a value is invalid.
        """
        try:
            return cls.Options.model_validate(settings.options)
        except ValidationError as error:
            raise explain(error, cls.Options, OPTIONS_KEY) from error

    @classmethod
    def open(cls, settings: Quantum, device: str = "") -> QuantumBackend:
        """Return the backend for ``name`` or ``name:device``; by default, one of this class."""
        return cls(settings, device)

    @abstractmethod
    def sampler(self) -> Sampler:
        """Return a primitive shaped like ``BaseSamplerV2``, seeded with ``settings.seed``.

        It runs circuits that `prepare` returned.
        """

    @abstractmethod
    def estimator(self) -> Estimator:
        """Return a primitive shaped like ``BaseEstimatorV2``, seeded with ``settings.seed``.

        It runs circuits that `prepare` returned, with observables of the same layout
        (``observable.apply_layout(circuit.layout)``).
        """

    @property
    def target(self) -> Target | None:
        """The gates and connectivity of the device; None if there is no fixed device."""
        return None

    @property
    def calibrated(self) -> str | None:
        """When the device was last calibrated, in UTC, ISO 8601; None if not known."""
        return None

    @property
    def is_reachable(self) -> bool:
        """Whether this host can reach the device; if not, it is checked where the task runs."""
        return True

    @property
    def required_qpu(self) -> str:
        """The QPU that the batch job of a circuit must request; empty if it must not."""
        return ""

    @property
    def name(self) -> str:
        """The name and version, for the record of a run."""
        return versioned(self.settings.backend, type(self).__module__)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the class, its version and its options."""
        made_by = f"{type(self).__module__}:{type(self).__qualname__}"
        parts = [made_by, self.name, self.device, self.options.model_dump(mode="json")]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def usage(self) -> QpuUsage | None:
        """What the measurements so far were charged; None if they cost no QPU time."""
        return None

    def estimate_usage(
        self,
        circuits: Sequence[QuantumCircuit],
        observables: Sequence[SparsePauliOp] = (),
        shots: int | None = None,
    ) -> QpuEstimate | None:
        """Return the QPU time of a job, without submitting it; None if it costs none.

        Parameters
        ----------
        circuits
            As `prepare` returned them.
        observables
            What an estimator measures of each, in the layout of the circuits; none for a sampler.
        shots
            Of a sampler, for each circuit; those of the settings if left out.
        """
        del circuits, observables, shots
        return None

    def prepare(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return a circuit that the primitives run: transpiled to the target, if there is one.

        The options say how if they are `hybrid_parsl.quantum.transpilation.TranspilationOptions`;
        else the level is 1 and the seed 0.

        Parameters
        ----------
        circuit
            With its parameters bound.
        """
        if self.target is None:
            return circuit
        from hybrid_parsl.quantum.transpilation import TranspilationOptions, transpile_to

        options = self.options
        if not isinstance(options, TranspilationOptions):
            options = TranspilationOptions(optimization_level=1)
        return transpile_to(self.target, circuit, options)

    def transpiled(self, circuit: QuantumCircuit, prepared: QuantumCircuit) -> Transpiled | None:
        """Return the record of what `prepare` made of a circuit; None without a target."""
        if self.target is None:
            return None
        from hybrid_parsl.quantum.transpilation import describe_transpiled

        return describe_transpiled(circuit, prepared, self.target, self.calibrated)

    def check(self, circuit: Callable[[], QuantumCircuit]) -> None:
        """Check on the driver, before a run, that the backend can run a circuit.

        By default, a circuit for a device must have no more qubits than its target, and must
        transpile to it.

        Parameters
        ----------
        circuit
            Makes a circuit of the problem with bound parameters and without measurements.

        Raises
        ------
        ConfigurationError
            If it cannot run the circuit.
        """
        if self.target is None:
            return
        from qiskit.transpiler import TranspilerError

        asked = circuit()
        n_qubits, most = asked.num_qubits, self.target.num_qubits
        if most is not None and n_qubits > most:
            message = f"the backend has fewer qubits than the circuit: {most}"
            found, valid = f"{n_qubits} qubits", f"at most {most} qubits"
            raise ConfigurationError(message, None, KEY, found, valid)
        try:
            self.prepare(asked)
        except TranspilerError as error:
            message = f"the circuit cannot be transpiled to the backend: {error.message}"
            raise ConfigurationError(message, None, KEY, self.settings.backend) from error

    def check_memory(self, n_qubits: int, size_key: str) -> None:  # noqa: B027 - optional
        """Check that a simulation fits into the free memory of this host; nothing by default.

        Parameters
        ----------
        n_qubits
            Number of qubits.
        size_key
            The dotted key of the experiment that decides the number of qubits.

        Raises
        ------
        InsufficientMemoryError
            If it does not fit.
        """


def versioned(backend: str, module: str) -> str:
    """Return the name of a backend with the version of the imported package of a module."""
    package = sys.modules.get(module.partition(".")[0])
    version = vars(package).get("__version__", "") if package else ""
    return f"{backend} {version}".rstrip()
