"""Snapshots of IBM's devices: gates, connectivity and errors, as qiskit-ibm-runtime ships them.

``python -m hybrid_parsl.quantum.device_snapshots`` lists them with their numbers of qubits.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import inspect
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.quantum.backend import KEY

if TYPE_CHECKING:
    from qiskit.providers import BackendV2

_PACKAGE = "qiskit_ibm_runtime"
_DISTRIBUTION = "qiskit-ibm-runtime"
_EXTRA = "pip install 'hybrid-parsl[ibm]'"
_LISTING = f"python -m {__name__}"
_MOST_SUGGESTIONS = 5


def short_name(name: str) -> str:
    """Return the short form of a device's name: ``fez`` for ``FakeFez`` and ``fake_fez``."""
    return name.strip().lower().replace("_", "").removeprefix("fake").removesuffix("v2")


def package_version() -> str:
    """Return qiskit-ibm-runtime and its version, without importing it."""
    try:
        return f"{_DISTRIBUTION} {version(_DISTRIBUTION)}"
    except PackageNotFoundError:
        return _DISTRIBUTION


def fake_device(name: str, backend: str) -> BackendV2:
    """Return the snapshot of a device; one object for all calls in this process.

    Parameters
    ----------
    name
        The device, such as ``fez``, ``FakeFez`` or ``fake_fez``, in upper or lower case.
    backend
        ``quantum.backend`` of the experiment, for the error.

    Raises
    ------
    ConfigurationError
        If qiskit-ibm-runtime is not installed or has no such device.
    """
    classes, short = _classes(backend), short_name(name)
    if short not in classes:
        close = difflib.get_close_matches(short, classes, n=_MOST_SUGGESTIONS, cutoff=0.5)
        all_of_them = f"one of the {len(classes)} names that '{_LISTING}' lists"
        prefix = backend.partition(":")[0]
        raise ConfigurationError(
            f"{package_version()} has no snapshot of such a device",
            None,
            KEY,
            shown(backend),
            ", ".join([*(f"{prefix}:{each}" for each in close), all_of_them]),
            f"{prefix}:{close[0]}" if close else None,
        )
    return _made(short)


def device_names() -> list[str]:
    """Return the short names of all devices, sorted.

    Raises
    ------
    ConfigurationError
        If qiskit-ibm-runtime is not installed.
    """
    return sorted(_classes("fake"))


def _classes(backend: str) -> dict[str, type[BackendV2]]:
    """Return the class of each snapshot by its short name."""
    if importlib.util.find_spec(_PACKAGE) is None:
        message = f"needs {_DISTRIBUTION}: {_EXTRA}"
        raise ConfigurationError(message, None, KEY, shown(backend))
    return _snapshots()


@functools.cache
def _snapshots() -> dict[str, type[BackendV2]]:
    from qiskit.providers import BackendV2
    from qiskit_ibm_runtime import fake_provider

    snapshots = f"{fake_provider.__name__}.backends."
    return {
        short_name(name): found
        for name, found in vars(fake_provider).items()
        if inspect.isclass(found)
        and issubclass(found, BackendV2)
        and found.__module__.startswith(snapshots)
    }


@functools.cache
def _made(short: str) -> BackendV2:
    return _snapshots()[short]()


if __name__ == "__main__":
    for each in device_names():
        print(f"{each:16s} {fake_device(each, each).num_qubits:4d} qubits")  # noqa: T201
