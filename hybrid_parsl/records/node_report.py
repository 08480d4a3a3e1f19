"""Describe the host and software of a process."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class NodeReport:
    """A process, where it runs, and what it finds there.

    Attributes
    ----------
    node
        Slurm's name of the node, elsewhere that of the host.
    versions
        From `software_versions`.
    token
        What the file that was asked for holds; None if it cannot be read.
    available_bytes
        Memory that is free there, in bytes.
    mpi_library
        Name and version of the MPI library; None for a process that is no rank.
    kernels
        Where compiled kernels are kept; None if they are not kept, empty if not asked for.
    """

    node: str
    versions: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    available_bytes: int = 0
    mpi_library: str | None = None
    kernels: str | None = ""


def node_name() -> str:
    """Return the name of the node that this process runs on."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def read_token(path: str) -> str | None:
    """Return the text in the file at `path`, None if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return None
