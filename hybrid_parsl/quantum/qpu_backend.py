"""A QPU of IBM's Quantum service, through whatever account: the base of ``ibm:`` and ``qrmi:``.

Circuits run through the client-side primitives of qiskit-ibm-runtime, one job for each call.
"""

from __future__ import annotations

import contextlib
import math
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from hybrid_parsl.errors import ConfigurationError, QuantumJobError
from hybrid_parsl.experiment import shots_of_precision
from hybrid_parsl.messages import shown
from hybrid_parsl.quantum.backend import KEY, LIMIT_KEY, QpuUsage, QuantumBackend
from hybrid_parsl.quantum.device_snapshots import package_version
from hybrid_parsl.quantum.ibm_account import find_device, open_service
from hybrid_parsl.quantum.qpu_job import QpuJob, tag_of
from hybrid_parsl.quantum.qpu_record import QpuRecord
from hybrid_parsl.quantum.qpu_time import QpuEstimate, estimate_program
from hybrid_parsl.quantum.transpilation import TranspilationOptions, calibration_time, transpile_to
from hybrid_parsl.tasks.folder import current_task_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp
    from qiskit.transpiler import Target

    from hybrid_parsl.experiment import Quantum
    from hybrid_parsl.quantum.backend import Estimator, Sampler

_SOURCE = "hybrid_parsl_source"
"""The key of a prepared circuit's metadata that holds it in OpenQASM 3 before transpilation."""
_TASK_PARTS = 3  # run, tasks, name


class QpuOptions(TranspilationOptions):
    """``[quantum.options]`` of any QPU of the service.

    Attributes
    ----------
    mode
        ``job``, or ``batch``: each job in a batch of its own.
    resilience_level
        Error mitigation by the client's Estimator: 0 none, 1 readout, 2 readout and
        zero-noise extrapolation. A Sampler mitigates nothing.
    fractional_gates
        Whether to use RX and RZZ gates of any angle, where the device has them.
    dynamical_decoupling
        The sequence of X and Y pulses on idle qubits; none if left out.
    twirling
        Whether two-qubit gates are placed between random Pauli gates that cancel.
    """

    mode: Literal["job", "batch"] = "job"
    resilience_level: Literal[0, 1, 2] = 0
    fractional_gates: bool = False
    dynamical_decoupling: Literal["XX", "XpXm", "XY4"] | None = None
    twirling: bool = False


class QpuBackend(QuantumBackend):
    """A QPU of IBM's Quantum service, reached through some account.

    Parameters
    ----------
    settings
        The table ``[quantum]``.
    device
        Its name at the service.

    Attributes
    ----------
    device_words
        Words that stand for a device besides its name.
    jobs
        The jobs so far, in their order.
    n_qubits
        Qubits of the circuit, 0 before it is known.

    Raises
    ------
    ConfigurationError
        If the device is missing, or an option is invalid.
    """

    options: QpuOptions
    takes_device: ClassVar[bool] = True
    is_remote: ClassVar[bool] = True
    device_words: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Quantum, device: str = "") -> None:
        super().__init__(settings, device)
        if not device:
            name = settings.backend
            valid = ", ".join(f"{name}:{each}" for each in ("NAME", *self.device_words))
            raise ConfigurationError("specify a device", None, KEY, shown(name), valid)
        self.jobs: list[QpuJob] = []
        self.n_qubits = 0

    @property
    def name(self) -> str:
        """The device and the version of the client."""
        kind = self.settings.backend.partition(":")[0]
        resolved = vars(self).get("qpu")
        return f"{kind}:{resolved.name if resolved else self.device} ({package_version()})"

    @property
    @abstractmethod
    def account(self) -> dict[str, str | None]:
        """Where the account is found, for `hybrid_parsl.quantum.ibm_account.open_service`."""

    @cached_property
    def service(self) -> Any:
        """The client of the service.

        Raises
        ------
        ConfigurationError
            If the account cannot be used.
        QuantumServiceUnavailableError
            If the service does not answer.
        """
        return open_service(self.account, self.settings.backend)

    @cached_property
    def qpu(self) -> Any:
        """The device, as the client has it.

        Raises
        ------
        ConfigurationError
            If the account has no such device.
        QuantumServiceUnavailableError
            If the service does not answer.
        """
        name, fractional = self.device_name(), self.options.fractional_gates
        backend = self.settings.backend
        return find_device(self.service, name, backend, self.n_qubits, fractional=fractional)

    def device_name(self) -> str:
        """Return the name of the device at the service."""
        return self.device

    @property
    def target(self) -> Target:
        """The gates and connectivity of the device, as last calibrated."""
        return self.qpu.target

    @property
    def calibrated(self) -> str | None:
        """When the device was last calibrated."""
        return calibration_time(self.qpu)

    @property
    def usage(self) -> QpuUsage | None:
        """The jobs of this backend and what they were charged; None before the first."""
        records = [job.record for job in self.jobs]
        if not records:
            return None
        charged = [each.usage_s for each in records if each.usage_s is not None]
        estimated = [each.estimated_s for each in records if each.estimated_s is not None]
        return QpuUsage(
            job_id=", ".join(each.job_id or each.tag for each in records),
            usage_s=sum(charged) if charged else None,
            estimated_usage_s=round(sum(estimated), 3) if estimated else None,
        )

    def _seconds_left(self) -> float | None:
        """Return what earlier jobs of the task have left of the limit; None without a limit."""
        if self.settings.max_qpu_seconds is None:
            return None
        records = [job.record for job in self.jobs]
        used = (each.estimated_s if each.usage_s is None else each.usage_s for each in records)
        return self.settings.max_qpu_seconds - sum(filter(None, used))

    def prepare(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit in the gates of the device; bound angles of RZZ are folded."""
        from qiskit import qasm3

        self.n_qubits = circuit.num_qubits
        prepared = transpile_to(self.target, circuit, self.options, device=self.qpu)
        prepared.metadata = {**(prepared.metadata or {}), _SOURCE: qasm3.dumps(circuit)}
        return prepared

    def mode(self) -> AbstractContextManager[Any]:
        """Return a context that gives what jobs run in: the device, or a new batch of it."""
        if self.options.mode == "batch":
            from qiskit_ibm_runtime import Batch

            batch: AbstractContextManager[Any] = Batch(backend=self.qpu)
            return batch
        return contextlib.nullcontext(self.qpu)

    def sampler(self) -> Sampler:
        """Return a sampler of circuits that `prepare` returned."""
        return QpuSampler(self)

    def estimator(self) -> Estimator:
        """Return an estimator of circuits that `prepare` returned."""
        return QpuEstimator(self)

    def estimate_usage(
        self,
        circuits: Sequence[QuantumCircuit],
        observables: Sequence[SparsePauliOp] = (),
        shots: int | None = None,
    ) -> QpuEstimate:
        """Return the QPU time of a job of prepared circuits; nothing is submitted."""
        if not observables:
            return QpuSampler(self).estimate(list(circuits), shots or self.settings.shots)
        pubs = [(circuit, each) for circuit in circuits for each in observables]
        return QpuEstimator(self).estimate(pubs, self.settings.target_precision)

    def run(
        self,
        primitive: Any,
        pubs: list[Any],
        estimate: QpuEstimate,
        settings: dict[str, Any],
        **keywords: Any,
    ) -> QpuJob:
        """Return the job of PUBs, submitted unless the service has it already.

        Parameters
        ----------
        primitive
            Makes a primitive of the client for a mode.
        pubs
            What it runs.
        estimate
            The QPU time of that.
        settings
            What decides the result besides the circuits, among it the shots.
        keywords
            Further arguments of the primitive's ``run``.

        Raises
        ------
        QuantumJobError
            If more QPU time is estimated than ``quantum.max_qpu_seconds``, or the service refuses
            the job.
        """
        backend, left = self.settings.backend, self._seconds_left()
        if left is not None and estimate.seconds > left:
            limit = f"{left:.2f} s of {LIMIT_KEY} = {self.settings.max_qpu_seconds:g} are left"
            reason = f"{estimate.seconds:.2f} s of QPU time estimated, {limit}"
            raise QuantumJobError(backend, reason)
        folder = current_task_folder()
        task = "" if folder is None else "/".join(folder.absolute().parts[-_TASK_PARTS:])
        options = self.options.model_dump(mode="json", exclude={"account", "channel", "instance"})
        asked = {**settings, "options": options, "seed": self.settings.seed}
        tag = tag_of(task or _random(), len(self.jobs), [_source(each) for each in pubs], asked)
        seconds = round(estimate.seconds, 3)
        record = QpuRecord(
            tag,
            backend,
            self.qpu.name,
            self.account,
            settings["shots"],
            instance=getattr(self.qpu, "_instance", None),
            estimated_s=seconds,
        )
        job = QpuJob(self.service, record, folder)
        self.jobs.append(job)

        def submit() -> Any:
            with self.mode() as mode:
                ready = primitive(mode)
                ready.options.environment.job_tags = [tag]
                if left is not None:
                    ready.options.max_execution_time = math.ceil(left)
                return ready.run(pubs, **keywords)

        job.submit(submit)
        return job


class _QpuPrimitive:
    """What both primitives on a QPU share.

    Parameters
    ----------
    backend
        The device.
    """

    def __init__(self, backend: QpuBackend) -> None:
        self._backend = backend


class QpuSampler(_QpuPrimitive):
    """A ``SamplerV2`` on a QPU: one job a call."""

    def estimate(self, pubs: list[Any], shots: int) -> QpuEstimate:
        """Return the QPU time of PUBs; nothing is submitted."""
        from qiskit_ibm_runtime.executor_sampler.prepare import prepare

        qpu = self._backend.qpu
        program, _ = prepare(pubs, self._primitive(qpu).options, shots, backend=qpu)
        return estimate_program(program, qpu)

    def run(self, pubs: Iterable[Any], *, shots: int | None = None) -> QpuJob:
        """Return a job; parameters and result are those of ``BaseSamplerV2.run``."""
        listed, backend = list(pubs), self._backend
        n_shots = shots or backend.settings.shots
        settings = {"primitive": "sampler", "shots": n_shots}
        estimate = self.estimate(listed, n_shots)
        return backend.run(self._primitive, listed, estimate, settings, shots=n_shots)

    def _primitive(self, mode: Any) -> Any:
        """Return the client's primitive."""
        from qiskit_ibm_runtime.executor_sampler import Sampler

        sampler = Sampler(mode=mode)
        _suppress_errors(sampler.options, self._backend.options)
        return sampler


class QpuEstimator(_QpuPrimitive):
    """An ``EstimatorV2`` on a QPU: one job a call."""

    def estimate(self, pubs: list[Any], precision: float) -> QpuEstimate:
        """Return the QPU time of PUBs; nothing is submitted."""
        from qiskit_ibm_runtime.executor_estimator.prepare import prepare

        qpu = self._backend.qpu
        options = self._primitive(qpu).options
        program, _ = prepare(pubs, options, precision, add_tags=False, backend=qpu)
        return estimate_program(program, qpu)

    def run(self, pubs: Iterable[Any], *, precision: float | None = None) -> QpuJob:
        """Return a job; parameters and result are those of ``BaseEstimatorV2.run``."""
        listed, backend = list(pubs), self._backend
        target = precision or backend.settings.target_precision
        terms = [sorted(map(str, getattr(each[1], "coeffs", [each[1]]))) for each in listed]
        settings = {"primitive": "estimator", "precision": target, "coefficients": terms}
        settings["shots"] = shots_of_precision(target)
        estimate = self.estimate(listed, target)
        return backend.run(self._primitive, listed, estimate, settings, precision=target)

    def _primitive(self, mode: Any) -> Any:
        """Return the client's primitive."""
        from qiskit_ibm_runtime.executor_estimator import Estimator

        estimator = Estimator(mode=mode)
        estimator.options.resilience_level = self._backend.options.resilience_level
        _suppress_errors(estimator.options, self._backend.options)
        return estimator


def _suppress_errors(options: Any, asked: QpuOptions) -> None:
    """Let the options of a client's primitive decouple and twirl as asked."""
    if asked.dynamical_decoupling is not None:
        options.dynamical_decoupling.enable = True
        options.dynamical_decoupling.sequence_type = asked.dynamical_decoupling
    if asked.twirling:
        options.twirling.enable_gates = True


def _source(pub: Any) -> str:
    """Return the circuit of a PUB in OpenQASM 3, before its transpilation if that is known."""
    from qiskit import qasm3

    circuit = pub if hasattr(pub, "metadata") else pub[0]
    known = (circuit.metadata or {}).get(_SOURCE)
    return str(known) if known else str(qasm3.dumps(circuit))


def _random() -> str:
    """Return what identifies a call outside a task, which no other process continues."""
    import secrets

    return secrets.token_hex(16)
