"""The configuration of an endpoint on the login node of a cluster.

The endpoint starts one process a user and template; its workers live on the login node and
only wait for the runs they start. What computes on the cluster is the run's own site.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from hybrid_parsl.atomic_file import write_atomically
from hybrid_parsl.errors import ConfigurationError

_TEMPLATES = Path(__file__).parent / "endpoint"
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_KEPT = (
    "LD_LIBRARY_PATH",
    "MODULEPATH",
    "PYTHONPATH",
    "HYBRID_PARSL_PROJECT",
    "GLOBUS_COMPUTE_USER_DIR",
    "HYBRID_PARSL_REMOTE_ALLOW",
)


def write_endpoint(folder: Path, function: str, email: str | None) -> list[Path]:
    """Write all files of an endpoint and return their paths.

    Parameters
    ----------
    folder
        A new folder, or an empty one.
    function
        The id of the only function that the endpoint will call.
    email
        The contact; an endpoint that root starts has to have one.

    Raises
    ------
    ConfigurationError
        If there is something in the folder already, or it cannot be made.
    StorageError
        If a file cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise ConfigurationError(error.strerror or str(error), str(folder)) from error
    if occupied:
        message = "is not empty"
        raise ConfigurationError(message, str(folder), valid="a new folder")
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(_TEMPLATES.iterdir())}
    texts["config.yaml"] = _configuration(folder.name, function, email)
    texts["user_environment.yaml"] = _environment()
    paths = []
    for name, text in sorted(texts.items()):
        write_atomically(folder / name, text.encode())
        (folder / name).chmod(0o600)
        paths.append(folder / name)
    return paths


def _configuration(name: str, function: str, email: str | None) -> str:
    """Return ``config.yaml``; a JSON text is one of YAML as well."""
    lines = [f"display_name: {json.dumps(name)}"]
    if email:
        lines.append(f"email: {json.dumps(email)}")
    lines += [
        "public: false",
        "# Only hybrid-parsl's own function is called. Whoever has stolen a token can still start",
        "# runs of built-in problems on the sites of this endpoint, at the cost of its user, and",
        "# read what runs left. HYBRID_PARSL_REMOTE_ALLOW in user_environment.yaml allows more",
        f"allowed_functions:\n  - {json.dumps(function)}",
    ]
    return "\n".join(lines) + "\n"


def _environment() -> str:
    """Return ``user_environment.yaml``: root's endpoint clears the environment of its users."""
    here = str(Path(sys.executable).parent)
    values = {name: os.environ[name] for name in _KEPT if os.environ.get(name)}
    values["PYTHONSAFEPATH"] = "1"  # no module of the folder that a worker starts in
    values["PATH"] = f"{here}:{os.environ.get('PATH', _SYSTEM_PATH)}"
    lines = [f"{name}: {json.dumps(value)}" for name, value in sorted(values.items())]
    return "\n".join(["# What the runs see besides HOME and USER.", *lines]) + "\n"
