"""Which software a run was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from hybrid_parsl import identity

_PACKAGES = (
    "parsl",
    "psij-python",
    "mpi4py",
    "mpich",
    "numpy",
    "numba",
    "scipy",
    "qiskit",
    "qiskit-aer",
    "matplotlib",
)


def software_versions() -> dict[str, str]:
    """Return the version of this package, of Python, the platform, and the main packages."""
    found = {
        "hybrid-parsl": identity.current(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
