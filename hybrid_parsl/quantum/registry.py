"""Find the backend that ``quantum.backend`` names: built in, of a plug-in, or by path."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, cast

from hybrid_parsl.errors import ConfigurationError, HybridParslError
from hybrid_parsl.messages import nearest, shown
from hybrid_parsl.quantum.adapter import FactoryBackend
from hybrid_parsl.quantum.backend import KEY, QuantumBackend

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Quantum

BUILT_IN = {"aer": "hybrid_parsl.quantum.aer:AerBackend"}
ENTRY_POINTS = "hybrid_parsl.backends"


def backend_names() -> dict[str, str]:
    """Return every known name with the ``package.module:name`` behind it, sorted."""
    plugins = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    return dict(sorted({**plugins, **BUILT_IN}.items()))


def backend_target(backend: str) -> tuple[str, str]:
    """Return the ``package.module:name`` behind a backend, and its device.

    A name that is not known stands for itself. A known name may be followed by a colon and a
    device; it takes precedence over a module of the same name.
    """
    names = BUILT_IN if backend in BUILT_IN else backend_names()
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
    target, device = backend_target(settings.backend)
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        names = backend_names()
        valid = f"{', '.join(names)}, or package.module:name"
        suggestion = nearest(settings.backend, names)
        found = shown(settings.backend)
        raise ConfigurationError("unknown backend", None, KEY, found, valid, suggestion)
    try:
        named = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a plug-in may raise anything while it is imported
        message = f"cannot import it: {type(error).__name__}: {error}"
        raise ConfigurationError(message, None, KEY, shown(settings.backend)) from error
    is_backend = isinstance(named, type) and issubclass(named, QuantumBackend)
    if device and not (is_backend and named.takes_device):
        name = settings.backend.partition(":")[0]
        message = f"the backend {name} takes no device"
        raise ConfigurationError(message, None, KEY, shown(settings.backend), name)
    if not is_backend:
        return FactoryBackend(settings, named, module)
    try:
        return cast("type[QuantumBackend]", named)(settings, device)
    except HybridParslError:
        raise
    except Exception as error:  # the class may be a third party's
        message = f"cannot make it: {type(error).__name__}: {error}"
        raise ConfigurationError(message, None, KEY, shown(settings.backend)) from error
