"""A QPU that a batch job was granted, as the variables of QRMI describe it.

The Quantum Resource Management Interface (github.com/qiskit-community/qrmi) and its plug-in for
Slurm give a job that requests a QPU an endpoint and a key of the service, in variables that begin
with the name of the QPU. The key is read from there by the client alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import nearest, shown
from hybrid_parsl.quantum.backend import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVICES = ("QRMI_IBM_QCS", "QRMI_IBM_QRS")
"""IBM's Quantum Compute Service, and its earlier name, Qiskit Runtime Service."""
_NAMES = ("QRMI_JOB_QPU_RESOURCES", "SLURM_JOB_QPU_RESOURCES")
_DELIMITER = "QRMI_LIST_DELIMITER"
_SESSION = "QRMI_JOB_ACQUISITION_TOKEN"
_KEY_SUFFIX = "_IAM_APIKEY"
_REQUIRED = ("_ENDPOINT", "_IAM_ENDPOINT", _KEY_SUFFIX, "_SERVICE_CRN")
_SUBDOMAIN = "quantum."


class QrmiResource(NamedTuple):
    """How to reach a QPU at IBM's Quantum service.

    Attributes
    ----------
    endpoint
        URL of the service's REST API.
    iam_endpoint
        URL of the service that exchanges the key for a token.
    api_key
        The key.
    crn
        CRN of the instance.
    session
        Id of the session that the job was granted; None if it was granted none.
    """

    endpoint: str
    iam_endpoint: str
    api_key: str
    crn: str
    session: str | None = None

    @property
    def url(self) -> str:
        """The URL that the client derives its other services from: without ``quantum.``."""
        parts = urlsplit(self.endpoint)
        _, found, domain = parts.netloc.rpartition(_SUBDOMAIN)
        return f"{parts.scheme}://{domain}" if found else f"{parts.scheme}://{parts.netloc}"


def granted_resources(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the names of the QPUs that this process may use, sorted.

    Parameters
    ----------
    environment
        The variables; those of this process if left out.
    """
    variables = os.environ if environment is None else environment
    return sorted({name.removesuffix(end) for name, end in _key_variables(variables)})


def granted_keys() -> set[str]:
    """Return the keys of all QPUs that this process may use."""
    return {os.environ[name] for name, _ in _key_variables(os.environ)}


def _key_variables(variables: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the names of variables that hold a key, each with the part after the QPU's name."""
    ends = [f"_{service}{_KEY_SUFFIX}" for service in _SERVICES]
    return [(name, end) for name in variables for end in ends if name.endswith(end)]


def find_resource(
    name: str, backend: str, environment: Mapping[str, str] | None = None
) -> QrmiResource:
    """Return what the environment says of a QPU.

    Parameters
    ----------
    name
        The QPU.
    backend
        ``quantum.backend`` of the experiment, for errors.
    environment
        The variables; those of this process if left out.

    Raises
    ------
    ConfigurationError
        If it says nothing of this QPU, or not enough.
    """
    variables = os.environ if environment is None else environment
    for service in _SERVICES:
        prefix = f"{name}_{service}"
        values = {f"{prefix}{end}": variables.get(f"{prefix}{end}", "") for end in _REQUIRED}
        missing = [variable for variable, value in values.items() if not value]
        if not missing:
            endpoint, iam_endpoint, api_key, crn = values.values()
            session = variables.get(f"{name}_{_SESSION}") or variables.get(_SESSION) or None
            return QrmiResource(endpoint, iam_endpoint, api_key, crn, session)
        if len(missing) < len(values):
            message = f"variables of the QPU are not set: {', '.join(missing)}"
            raise ConfigurationError(message, None, KEY, shown(backend))
    raise _not_granted(name, backend, variables)


def _not_granted(name: str, backend: str, variables: Mapping[str, str]) -> ConfigurationError:
    """Return the error of a QPU that this process may not use."""
    granted = granted_resources(variables)
    if granted:
        close = nearest(name, granted)
        return ConfigurationError(
            "the job was granted another QPU",
            None,
            KEY,
            shown(backend),
            ", ".join(f"qrmi:{each}" for each in granted),
            f"qrmi:{close}" if close else None,
        )
    listed = next((value for each in _NAMES if (value := variables.get(each))), "")
    if name in listed.split(variables.get(_DELIMITER, ",")):
        message = "the QPU is not one of IBM's Quantum service"
        valid = f"a QPU whose variables are {name}_{_SERVICES[0]}_..."
        return ConfigurationError(message, None, KEY, shown(backend), valid)
    message = "can be reached only from a job that was granted the QPU"
    found = f"{shown(backend)}, and no variables {name}_{_SERVICES[0]}_..."
    return ConfigurationError(message, None, KEY, found, f"a Slurm job with --qpu={name}")
