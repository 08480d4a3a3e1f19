"""IBM's Quantum service: through an account that its client knows, or that of a granted QPU.

The token is read by the client alone. It is not an option of an experiment, and texts of errors
pass `without_secrets` before they are shown or kept.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import os
import re
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import ConfigurationError, QuantumServiceUnavailableError
from hybrid_parsl.messages import nearest, shown
from hybrid_parsl.quantum.backend import KEY, OPTIONS_KEY
from hybrid_parsl.quantum.qrmi_resource import find_resource, granted_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hybrid_parsl.quantum.qrmi_resource import QrmiResource

_PACKAGE = "qiskit_ibm_runtime"
_EXTRA = "pip install 'hybrid-parsl[ibm]'"
_SAVE = "QiskitRuntimeService.save_account(token=..., instance=...), or QISKIT_IBM_TOKEN"
LEAST_BUSY = "least_busy"
_IAM = "https://iam.cloud.ibm.com"
_VARIABLES = ("HOME", "IAM_URL", "QISKIT_IBM_CHANNEL", "QISKIT_IBM_INSTANCE", "QISKIT_IBM_TOKEN")
_STATUS = re.compile(r"\b([45]\d\d) (?:Client|Server) Error")
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN = 400, 401, 403
_TOO_MANY = 429


def open_service(account: Mapping[str, str | None], backend: str) -> Any:
    """Return the client of the service; one for all calls of this process with equal settings.

    Parameters
    ----------
    account
        ``account``, ``channel`` and ``instance`` of the options; None for the client's defaults.
        Or ``qrmi``: the name of a QPU that this process was granted.
    backend
        ``quantum.backend`` of the experiment, for errors.

    Raises
    ------
    ConfigurationError
        If the client is not installed, no account is saved under the name, the QPU was not
        granted, the token is invalid, or the account has no such instance.
    QuantumServiceUnavailableError
        If the service does not answer.
    """
    if importlib.util.find_spec(_PACKAGE) is None:
        raise ConfigurationError(f"needs qiskit-ibm-runtime: {_EXTRA}", None, KEY, shown(backend))
    granted = account.get("qrmi")
    if granted is not None:
        return _granted_service(find_resource(granted, backend), backend)
    environment = tuple(os.environ.get(name) for name in _VARIABLES)
    names = account.get("account"), account.get("channel"), account.get("instance")
    return _service(*names, environment, backend)


@functools.lru_cache(maxsize=8)
def _service(
    name: str | None,
    channel: str | None,
    instance: str | None,
    environment: tuple[str | None, ...],
    backend: str,
) -> Any:
    """Return a new client."""
    del environment
    from qiskit_ibm_runtime import QiskitRuntimeService
    from qiskit_ibm_runtime.accounts.exceptions import AccountNotFoundError

    _be_quiet()
    _check_saved_accounts()
    try:
        if instance is not None:
            _check_instance(QiskitRuntimeService(name=name, channel=channel), instance)
        return QiskitRuntimeService(name=name, channel=channel, instance=instance or "auto")
    except ConfigurationError:
        raise
    except AccountNotFoundError:
        raise _no_account(name) from None
    except Exception as error:  # noqa: BLE001 - the client raises errors of four libraries
        raise account_error(error, backend, instance) from None


@functools.lru_cache(maxsize=8)
def _granted_service(resource: QrmiResource, backend: str) -> Any:
    """Return a new client for a QPU that this process was granted.

    The client has no argument for the service that exchanges keys: its variable is set for this
    process if the resource names another one than the client's own.
    """
    from qiskit_ibm_runtime import QiskitRuntimeService

    _be_quiet()
    if resource.iam_endpoint.rstrip("/") != _IAM:
        os.environ["IAM_URL"] = resource.iam_endpoint
    try:
        return QiskitRuntimeService(
            channel="ibm_quantum_platform",
            token=resource.api_key,
            instance=resource.crn,
            url=resource.url,
            url_resolver=lambda *_: resource.endpoint,
        )
    except Exception as error:  # noqa: BLE001 - the client raises errors of four libraries
        raise account_error(error, backend, resource.crn) from None


def _be_quiet() -> None:
    """Let the client's logger, which has a warning for each step, report errors only."""
    logging.getLogger(_PACKAGE).setLevel(logging.ERROR)


def _check_saved_accounts() -> None:
    """Refuse a damaged file of accounts before the client reads it."""
    from qiskit_ibm_runtime import QiskitRuntimeService

    try:
        QiskitRuntimeService.saved_accounts()
    except ValueError as error:
        message = "the saved accounts of IBM's Quantum service cannot be read"
        place = "~/.qiskit/qiskit-ibm.json"
        raise ConfigurationError(message, place, KEY, str(error), _SAVE) from None


def _check_instance(service: Any, instance: str) -> None:
    """Refuse an instance that the account does not have."""
    known = service.instances()
    if not any(instance in (each["name"], each["crn"]) for each in known):
        names = [str(each["name"]) for each in known]
        message = "the account has no such instance of IBM's Quantum service"
        key = f"{OPTIONS_KEY}.instance"
        valid = ", ".join(names) or None
        raise ConfigurationError(
            message, None, key, shown(instance), valid, nearest(instance, names)
        )


def _no_account(name: str | None) -> ConfigurationError:
    """Return the error of an account that is not saved."""
    from qiskit_ibm_runtime import QiskitRuntimeService

    saved = sorted(QiskitRuntimeService.saved_accounts())
    key = f"{OPTIONS_KEY}.account"
    found = shown(name) if name else "no saved account, and no QISKIT_IBM_TOKEN"
    valid = ", ".join(saved) if name and saved else _SAVE
    suggestion = nearest(name, saved) if name else None
    message = "no account of IBM's Quantum service is saved under this name"
    return ConfigurationError(
        message if name else "has no account of IBM's Quantum service",
        None,
        key,
        found,
        valid,
        suggestion,
    )


def account_error(
    error: Exception, backend: str, instance: str | None = None
) -> ConfigurationError | QuantumServiceUnavailableError:
    """Return what an error of the client means for the account.

    Parameters
    ----------
    error
        What the client raised.
    backend
        ``quantum.backend`` of the experiment.
    instance
        The instance that was specified, if one was.
    """
    causes = _chain(error)
    texts = [without_secrets(text) for text in dict.fromkeys(map(_text, causes)) if text]
    text = texts[0] if texts else type(error).__name__
    status = next((code for each in causes if (code := status_of(each))), 0)
    if status == _FORBIDDEN:
        message = "the account has no access to the instance of IBM's Quantum service"
        key = f"{OPTIONS_KEY}.instance"
        found = shown(instance) if instance else f"status {status}: {text}"
        return ConfigurationError(message, None, key, found, "an instance of the account")
    if status in (_BAD_REQUEST, _UNAUTHORIZED):
        found = f"status {status}: {text}"
        message = "IBM's Quantum service does not accept the token of the account"
        return ConfigurationError(message, None, KEY, found, f"a valid API key: {_SAVE}")
    if "instance" in text.lower():
        message = "the account has no such instance of IBM's Quantum service"
        key = f"{OPTIONS_KEY}.instance"
        found = shown(instance) if instance else text
        return ConfigurationError(message, None, key, found, "name or CRN of an instance")
    return QuantumServiceUnavailableError(backend, f"IBM's Quantum service does not answer: {text}")


def find_device(service: Any, name: str, backend: str, n_qubits: int, *, fractional: bool) -> Any:
    """Return a device of the service.

    The client answers with an empty list where it cannot reach the service, so a device that is
    missing is looked up twice: only a service that answers says that there is none.

    Parameters
    ----------
    service
        The client.
    name
        Its name, or ``least_busy``.
    backend
        ``quantum.backend`` of the experiment, for errors.
    n_qubits
        Qubits that the least busy one must have, at least 0.
    fractional
        Whether to use its fractional gates, RX and RZZ of any angle.

    Raises
    ------
    ConfigurationError
        If the account has no such device, or the device has no fractional gates.
    QuantumServiceUnavailableError
        If the service does not answer.
    """
    from qiskit.providers import QiskitBackendNotFoundError

    try:
        if name == LEAST_BUSY:
            return service.least_busy(
                min_num_qubits=n_qubits or None, use_fractional_gates=fractional
            )
        return service.backend(name, use_fractional_gates=fractional)
    except QiskitBackendNotFoundError:
        raise _no_device(service, name, backend) from None
    except Exception as error:  # noqa: BLE001 - the client raises errors of four libraries
        if fractional and "fractional" in str(error):
            key, message = f"{OPTIONS_KEY}.fractional_gates", "the device has no fractional gates"
            raise ConfigurationError(message, None, key, "true", "false") from None
        raise account_error(error, backend) from None


def _no_device(
    service: Any, name: str, backend: str
) -> ConfigurationError | QuantumServiceUnavailableError:
    """Return the error of a device that the client did not find."""
    try:
        service.usage()  # raises where the service does not answer, unlike backends()
        names = sorted(each.name for each in service.backends())
    except Exception as error:  # noqa: BLE001 - the client raises errors of four libraries
        return account_error(error, backend)
    prefix = backend.partition(":")[0]
    close = nearest(name, names)
    valid = ", ".join(f"{prefix}:{each}" for each in (*names, LEAST_BUSY)) if names else None
    what = "no device that is online and large enough" if name == LEAST_BUSY else "no such device"
    return ConfigurationError(
        f"the instance has {what}" if names else "the instance has no devices",
        None,
        KEY,
        shown(backend),
        valid,
        f"{prefix}:{close}" if close else None,
    )


def status_of(error: BaseException) -> int:
    """Return the HTTP status in an error of the client, 0 if there is none."""
    for name in ("status_code", "code", "http_status"):
        value = getattr(error, name, None)
        if isinstance(value, int) and value > 0:
            return value
    match = _STATUS.search(str(error))
    return int(match[1]) if match else 0


def client_errors() -> tuple[type[Exception], ...]:
    """Return the classes of errors that requests of the client raise."""
    from ibm_cloud_sdk_core import ApiException
    from qiskit_ibm_runtime.exceptions import IBMError
    from requests import RequestException

    return IBMError, ApiException, RequestException


def load_client() -> None:
    """Import the client if it is installed, which takes seconds."""
    if importlib.util.find_spec(_PACKAGE) is not None:
        importlib.import_module(_PACKAGE)


def is_lasting(error: BaseException) -> bool:
    """Return whether the same request would fail again: a 4xx other than 429."""
    return _BAD_REQUEST <= status_of(error) < 500 and status_of(error) != _TOO_MANY  # noqa: PLR2004


def without_secrets(text: str) -> str:
    """Return one line of a text, with the tokens of accounts left out."""
    line = " ".join(text.split())
    for secret in _secrets():
        line = line.replace(secret, "<token>")
    return line


def _secrets() -> set[str]:
    """Return the tokens that the client may have read."""
    from qiskit_ibm_runtime import QiskitRuntimeService

    found = {os.environ.get("QISKIT_IBM_TOKEN"), *granted_keys()}
    try:
        found |= {each.get("token") for each in QiskitRuntimeService.saved_accounts().values()}
    except Exception:  # noqa: BLE001 - a damaged file; the client has not read a token from it
        logging.getLogger(__name__).debug("the saved accounts cannot be read")
    return {each for each in found if each}


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and what caused it, the cause first."""
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in found:
        found.insert(0, each)
        each = each.__cause__ or each.__context__
    return found


def _text(error: BaseException) -> str:
    """Return the first line of an error's text, with the quotes of Qiskit left out."""
    return str(error).strip("'\" ").partition("\n")[0]
