"""The backends ``ibm:NAME`` and ``ibm:least_busy``: a QPU of an account at IBM's service."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from hybrid_parsl.quantum.ibm_account import LEAST_BUSY
from hybrid_parsl.quantum.qpu_backend import QpuBackend, QpuOptions
from hybrid_parsl.quantum.qpu_record import read_records
from hybrid_parsl.tasks.folder import current_task_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from qiskit import QuantumCircuit

    from hybrid_parsl.quantum.backend import BackendOptions


class IbmOptions(QpuOptions):
    """``[quantum.options]`` of ``ibm:NAME``; the token is none of them.

    Attributes
    ----------
    account
        Name of an account that the client has saved; its default account if left out.
    channel
        The client's channel: its default account for this one.
    instance
        Name or CRN of an instance; that of the account if left out.
    """

    account: str | None = Field(default=None, min_length=1)
    channel: Literal["ibm_quantum_platform", "ibm_cloud"] | None = None
    instance: str | None = Field(default=None, min_length=1)


class IbmBackend(QpuBackend):
    """A QPU of the account that the client has saved or finds in the environment.

    Its device is the name of a QPU, or ``least_busy``.
    """

    Options: ClassVar[type[BackendOptions]] = IbmOptions
    options: IbmOptions
    device_words: ClassVar[tuple[str, ...]] = (LEAST_BUSY,)

    @property
    def account(self) -> dict[str, str | None]:
        """What the options say of the account."""
        return {key: getattr(self.options, key) for key in ("account", "channel", "instance")}

    def device_name(self) -> str:
        """Return the name of the device; that of a job which the task has submitted before."""
        folder = current_task_folder()
        known = {} if folder is None else read_records(folder)
        devices = [each.device for each in known.values() if each.backend == self.settings.backend]
        return devices[0] if devices and self.device == LEAST_BUSY else self.device

    def check(self, circuit: Callable[[], QuantumCircuit]) -> None:
        """Refuse an account or device that cannot be used, and a circuit that it cannot run."""
        if self.device == LEAST_BUSY:
            self.n_qubits = circuit().num_qubits
        super().check(circuit)
