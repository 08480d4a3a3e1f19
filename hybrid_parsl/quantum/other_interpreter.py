"""A backend whose packages cannot share our environment, in a Python interpreter of its own."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import subprocess
import tempfile
import weakref
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import ConfigurationError, QuantumJobError
from hybrid_parsl.messages import shown
from hybrid_parsl.quantum import interpreter_worker
from hybrid_parsl.quantum.backend import KEY, QuantumBackend
from hybrid_parsl.quantum.pauli_estimator import PauliEstimator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qiskit import QuantumCircuit
    from qiskit.primitives import PrimitiveJob, PrimitiveResult, SamplerPubResult

    from hybrid_parsl.experiment import Quantum
    from hybrid_parsl.quantum.backend import Estimator, Sampler

PYTHON_KEY = "quantum.python"

_QPY_VERSION = 13  # the oldest that our Qiskit writes: readable from Qiskit 1.3 on
_LAST_WORDS = 2000


class OtherInterpreterBackend(QuantumBackend):
    """A factory of a sampler or device that ``quantum.python`` imports, not this interpreter.

    It is called there with the table ``[quantum]`` as attributes. Circuits travel in QPY, and
    counts come back; those for a device are transpiled there.

    Parameters
    ----------
    settings
        The table ``[quantum]``.

    Raises
    ------
    ConfigurationError
        If the interpreter is not given by an absolute path, the backend is not of the form
        ``package.module:name``, or mitigation or options are asked for.
    """

    def __init__(self, settings: Quantum) -> None:
        super().__init__(settings)
        python, (module, _, name) = settings.python or "", settings.backend.partition(":")
        if not Path(python).is_absolute():
            valid = "an absolute path, such as /opt/iqm/bin/python"
            raise ConfigurationError("is not a path from /", None, PYTHON_KEY, shown(python), valid)
        if not (module and name):
            message = "is not a function that another interpreter can import"
            valid = "package.module:function, or no quantum.python"
            raise ConfigurationError(message, None, KEY, shown(settings.backend), valid)
        if settings.mitigation != "none":
            message = "needs circuits as the device runs them, and quantum.python transpiles them"
            raise ConfigurationError(
                message, None, "quantum.mitigation", settings.mitigation, "none"
            )

    @property
    def name(self) -> str:
        """The factory and its interpreter."""
        return f"{self.settings.backend} in {self.settings.python}"

    def sampler(self) -> Sampler:
        """Return a sampler that runs in the other interpreter."""
        return self._sampler

    def estimator(self) -> Estimator:
        """Return an estimator that samples there, in one basis after the other."""
        settings = self.settings
        return PauliEstimator(lambda _: self._sampler, settings.seed, settings.target_precision)

    @cached_property
    def _sampler(self) -> OtherInterpreterSampler:
        """The only sampler: a process that stays."""
        return OtherInterpreterSampler(self.settings)


class OtherInterpreterSampler:
    """A ``SamplerV2`` in another interpreter, whose process ends with this one.

    Parameters
    ----------
    settings
        The table ``[quantum]``.
    """

    def __init__(self, settings: Quantum) -> None:
        self._settings = settings

    def run(
        self, pubs: Iterable[Any], *, shots: int | None = None
    ) -> PrimitiveJob[PrimitiveResult[SamplerPubResult]]:
        """Start a job; parameters and result are those of ``BaseSamplerV2.run``."""
        from qiskit.primitives import PrimitiveJob
        from qiskit.primitives.containers.sampler_pub import SamplerPub

        n_shots = shots or self._settings.shots
        circuits = [SamplerPub.coerce(pub, n_shots).circuit for pub in pubs]
        job = PrimitiveJob(self._run, circuits, n_shots)
        job._submit()  # noqa: SLF001 - as each primitive of Qiskit does
        return job

    def _run(
        self, circuits: Sequence[QuantumCircuit], shots: int
    ) -> PrimitiveResult[SamplerPubResult]:
        """Return the results of circuits with bound parameters."""
        from qiskit import qpy
        from qiskit.primitives import BitArray, DataBin, PrimitiveResult, SamplerPubResult

        file = io.BytesIO()
        qpy.dump(list(circuits), file, version=_QPY_VERSION)
        counts = self._ask(base64.b64encode(file.getvalue()).decode(), shots)
        results = []
        for circuit, of_registers in zip(circuits, counts, strict=True):
            arrays = {
                register.name: BitArray.from_counts(of_registers[register.name], register.size)
                for register in circuit.cregs
            }
            results.append(SamplerPubResult(DataBin(**arrays)))
        return PrimitiveResult(results)

    def _ask(self, circuits: str, shots: int) -> list[dict[str, dict[str, int]]]:
        """Return the counts of each register of each circuit.

        Raises
        ------
        QuantumJobError
            If the backend or its interpreter failed.
        """
        module = self._settings.backend.partition(":")[0]
        request = {
            "factory": self._settings.backend,
            "folders": _folders_of(module.partition(".")[0]),
            "settings": self._settings.model_dump(mode="json"),
            "circuits": circuits,
            "shots": shots,
        }
        process, words = self._process
        line = ""
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            pass
        if not line:
            words.seek(0)
            said = words.read()[-_LAST_WORDS:].decode(errors="replace").strip()
            reason = f"{self._settings.python} ended: {said or f'exit code {process.wait()}'}"
            raise QuantumJobError(self._settings.backend, reason)
        answer = json.loads(line)
        if "error" in answer:
            raise QuantumJobError(self._settings.backend, answer["error"])
        found: list[dict[str, dict[str, int]]] = answer["counts"]
        return found

    @cached_property
    def _process(self) -> tuple[Any, Any]:
        """The process, and the file with what it says; it ends when its input does.

        Raises
        ------
        QuantumJobError
            If the interpreter cannot be started.
        """
        words = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        command = [str(self._settings.python), "-I", "-u", interpreter_worker.__file__]
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own interpreter
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                text=True,
            )
        except OSError as error:
            reason = f"{PYTHON_KEY} = {self._settings.python}: {error.strerror or error}"
            raise QuantumJobError(self._settings.backend, reason) from error
        weakref.finalize(self, _end, process)
        return process, words


def _end(process: Any) -> None:
    """Let a process end, as it does without input."""
    process.stdin.close()
    process.stdout.close()
    process.wait()


def _folders_of(module: str) -> list[str]:
    """Return where this interpreter would import a module from; none if it has no such module."""
    found = importlib.util.find_spec(module)
    origin = found.origin if found is not None else None
    if origin is None:
        return []
    path = Path(origin)
    return [str(path.parent.parent if path.name == "__init__.py" else path.parent)]
