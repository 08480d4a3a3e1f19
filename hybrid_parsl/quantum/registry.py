"""Find the backend that ``quantum.backend`` names: built in, of a plug-in, or by path."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.plugins import PluginGroup
from hybrid_parsl.quantum.adapter import FactoryBackend
from hybrid_parsl.quantum.backend import KEY, QuantumBackend
from hybrid_parsl.quantum.other_interpreter import OtherInterpreterBackend

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Quantum

BACKENDS = PluginGroup(
    what="backend",
    key=KEY,
    entry_points="hybrid_parsl.backends",
    built_in={
        "aer": "hybrid_parsl.quantum.aer:AerBackend",
        "fake": "hybrid_parsl.quantum.noise_model:FakeBackend",
        "ibm": "hybrid_parsl.quantum.ibm:IbmBackend",
        "qrmi": "hybrid_parsl.quantum.qrmi:QrmiBackend",
    },
    path="package.module:name",
)


def backend_names() -> dict[str, str]:
    """Return every known name with the ``package.module:name`` behind it, sorted."""
    return BACKENDS.targets()


def backend_target(backend: str) -> tuple[str, str]:
    """Return the ``package.module:name`` behind a backend, and its device.

    A name that is not known stands for itself. A known name may be followed by a colon and a
    device; it takes precedence over a module of the same name.
    """
    built_in = BACKENDS.built_in
    names = built_in if backend in built_in else backend_names()
    name, _, device = backend.partition(":")
    if backend in names:
        return names[backend], ""
    return (names[name], device) if name in names and device else (backend, "")


def open_backend(settings: Quantum) -> QuantumBackend:
    """Return the backend that the table ``[quantum]`` names, with its options validated.

    Raises
    ------
    ConfigurationError
        If the name is unknown, it cannot be imported or made, or an option is invalid.
    """
    if settings.python is not None:
        return OtherInterpreterBackend(settings)
    name, colon, device = settings.backend.partition(":")
    if colon and not device and name in backend_names():
        found, valid = shown(settings.backend), f"{name}:NAME"
        raise ConfigurationError("names no device", None, KEY, found, valid)
    target, device = backend_target(settings.backend)
    named = BACKENDS.load(settings.backend, target)
    is_backend = isinstance(named, type) and issubclass(named, QuantumBackend)
    if device and not (is_backend and named.takes_device):
        message = f"the backend {name} takes no device"
        raise ConfigurationError(message, None, KEY, shown(settings.backend), name)
    if not is_backend:
        return FactoryBackend(settings, named, target.partition(":")[0])
    with BACKENDS.making(settings.backend):
        return cast("type[QuantumBackend]", named).open(settings, device)
