"""This program as a child process, which imports what this process can import and no more."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def own_command(*arguments: str) -> list[str]:
    """Return the command line of this program; no module of the current folder is imported."""
    return [sys.executable, "-P", "-m", "hybrid_parsl", *arguments]


def own_environment() -> dict[str, str]:
    """Return the environment for `own_command`: modules are found where this process finds them."""
    variables = dict(os.environ)
    here = sys.path[0] if sys.path and not sys.flags.safe_path else ""
    if here and Path(here) != Path(sys.executable).parent:
        folders = [str(Path(here).absolute()), variables.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    return variables
