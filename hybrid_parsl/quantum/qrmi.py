"""The backend ``qrmi:NAME``: a QPU that the batch job of the circuit was granted.

Circuits run through the client of IBM's Quantum service, as with ``ibm:NAME``; the account is that
of the variables which QRMI's plug-in for Slurm gives to the job. QRMI's own primitives are not
used: their jobs carry no tag by which a later driver could find them again, and end with the
process that has submitted them.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

from hybrid_parsl.quantum.qpu_backend import QpuBackend, QpuOptions
from hybrid_parsl.quantum.qrmi_resource import find_resource, granted_resources

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from hybrid_parsl.quantum.backend import BackendOptions


class QrmiBackend(QpuBackend):
    """A QPU that the batch job of the circuit was granted.

    Parameters
    ----------
    settings
        The table ``[quantum]``.
    device
        The name of the resource, which is that of the QPU at the service.

    Raises
    ------
    ConfigurationError
        If the device is missing, or an option is invalid.
    """

    Options: ClassVar[type[BackendOptions]] = QpuOptions

    @property
    def is_reachable(self) -> bool:
        """Whether this process may use the QPU."""
        return self.device in granted_resources()

    @property
    def required_qpu(self) -> str:
        """The name of the resource."""
        return self.device

    @property
    def account(self) -> dict[str, str | None]:
        """The resource, whose variables hold the account."""
        return {"qrmi": self.device}

    def mode(self) -> AbstractContextManager[Any]:
        """Return a context that gives the session that was granted, else what the options say."""
        session = find_resource(self.device, self.settings.backend).session
        if session is None:
            return super().mode()
        from qiskit_ibm_runtime import Session

        return contextlib.nullcontext(Session.from_id(session, self.service))
