"""The id of our function, which is registered once and then known by it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.atomic_file import write_atomically
from hybrid_parsl.errors import StorageError
from hybrid_parsl.remote.client import ID_VARIABLE
from hybrid_parsl.remote.request import function_source
from hybrid_parsl.strict_json import parse_json

if TYPE_CHECKING:
    from hybrid_parsl.remote.client import ComputeService


def functions_file() -> Path:
    """Return the user's file of known ids, ``$XDG_CONFIG_HOME/hybrid-parsl/functions.json``."""
    folder = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return Path(folder) / "hybrid-parsl" / "functions.json"


def known_function(service: ComputeService) -> str:
    """Return the id of our function as this user has registered it, now if never before.

    Raises
    ------
    HybridParslError
        If it cannot be registered: see `translated`.
    StorageError
        If the id cannot be written down.
    """
    path = functions_file()
    whose = os.environ.get(ID_VARIABLE) or "user"
    where = os.environ.get("GLOBUS_SDK_ENVIRONMENT") or "production"
    digest = hashlib.sha256(function_source().encode()).hexdigest()
    name = f"{digest[:16]} {where} {whose}"
    known = _read(path)
    if name not in known:
        try:  # before an unreachable function is registered
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(str(path.parent), error.strerror or str(error)) from error
        known[name] = service.register()
        write_atomically(path, json.dumps(known, indent=2).encode())
    return known[name]


def _read(path: Path) -> dict[str, str]:
    """Return the ids in the file at `path`; none if it cannot be read."""
    try:
        found = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return {}
    pairs = found.items() if isinstance(found, dict) else ()
    return {name: each for name, each in pairs if isinstance(each, str)}
