"""The command line of a job's container."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from psij import InvalidJobException, ResourceSpecV1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psij import JobSpec

HOST_FILE = "/etc/mpi/hostfile"
"""File in which the MPI Operator lists the workers for the launcher."""
POD_ADDRESS = "\0address"
"""Placeholder in a command line for the IP address of the pod."""
MARK_VARIABLE = "PSIJ_LOG_MARK"
"""Variable with the mark digits that processes of a job need to emit live lines."""
SINGLE, MULTIPLE, MPIRUN = "single", "multiple", "mpirun"
_LONGEST_SCRIPT = 32_768


@dataclass(frozen=True)
class ProcessLayout:
    """Number of pods and processes of a job.

    Attributes
    ----------
    launcher
        `SINGLE`, `MULTIPLE` or `MPIRUN`.
    n_nodes
        Number of pods that compute, at least 1.
    n_processes
        Total number of processes, at least 1.
    """

    launcher: str
    n_nodes: int
    n_processes: int

    @property
    def is_mpi(self) -> bool:
        """Whether the job is an MPIJob: several processes started by an MPI launcher."""
        return self.launcher == MPIRUN and self.n_processes > 1

    @classmethod
    def of(cls, spec: JobSpec) -> ProcessLayout:
        """Return the layout that `spec` requests.

        Raises
        ------
        InvalidJobException
            If pods cannot provide it.
        """
        launcher = spec.launcher or SINGLE
        known = (SINGLE, MULTIPLE, MPIRUN)
        if launcher not in known:
            message = f"Unsupported launcher '{launcher}'; valid: {', '.join(known)}"
            raise InvalidJobException(message)
        resources = spec.resources or ResourceSpecV1()
        if resources.version != 1:
            message = f"Unsupported resource spec version {resources.version}; valid: 1"
            raise InvalidJobException(message)
        if resources.exclusive_node_use:
            message = "Pods do not support exclusive_node_use: leave it out"
            raise InvalidJobException(message)
        nodes = resources.computed_node_count
        if nodes > 1 and launcher != MPIRUN:
            message = (
                f"The launcher '{launcher}' cannot start processes on {nodes} nodes; valid: "
                f"'{MPIRUN}', or one node"
            )
            raise InvalidJobException(message)
        return cls(launcher, nodes, resources.computed_process_count)


@dataclass(frozen=True)
class Wrapping:
    """Configuration of the wrapper script around the command of a job.

    Attributes
    ----------
    mark
        Prefix of each record in the log.
    patterns
        Files to send when the command has ended.
    folder
        Folder of these files; the working directory of the container if None.
    """

    mark: str
    patterns: tuple[str, ...] = ()
    folder: str | None = None


def command_line(
    spec: JobSpec, layout: ProcessLayout, mpi: str, wrapping: Wrapping | None
) -> list[str]:
    """Return the command line of the container.

    Without a wrapper, that is the executable itself, and the image needs no shell.

    Parameters
    ----------
    spec
        The job.
    layout
        Its processes.
    mpi
        MPI library of the image.
    wrapping
        Configuration of the wrapper; None to run without it.

    Raises
    ------
    InvalidJobException
        If there is no executable, or a script is too long or cannot be read.
    """
    if not spec.executable:
        message = "The job has no executable"
        raise InvalidJobException(message)
    bare = [spec.executable, *(spec.arguments or [])]
    if layout.is_mpi:
        variables = sorted([*(spec.environment or {}), *([MARK_VARIABLE] if wrapping else [])])
        bare = [*_mpirun(mpi, layout.n_processes, variables), *bare]
    elif not spec.inherit_environment:
        given = [f"{name}={value}" for name, value in (spec.environment or {}).items()]
        bare = ["env", "-i", *given, *bare]
    if wrapping is None:
        return bare
    pre, post = _script(spec.pre_launch), _script(spec.post_launch)
    shell = "bash" if pre or post else "sh"
    copies = layout.n_processes if layout.launcher == MULTIPLE else 1
    hosts = HOST_FILE if layout.is_mpi else ""
    emitter = _emitter(wrapping)
    return [
        shell, "-c", _text("wrapper.sh"), "psij",
        wrapping.mark, str(copies), pre, post, emitter, hosts, *bare,
    ]  # fmt: skip


def _mpirun(mpi: str, n_processes: int, variables: Sequence[str]) -> list[str]:
    """Return the mpirun command; the MPI Operator passes it the hosts."""
    size = ["-n", str(n_processes)]
    if mpi == "openmpi":  # Hydra forwards the whole environment, Open MPI only named variables
        forwarded = [word for name in variables for word in ("-x", name)]
        return ["mpirun", *size, "--bind-to", "none", *forwarded]
    # Hydra's proxies connect back, and DNS may not resolve the launcher's name yet
    return ["mpirun", "-localhost", POD_ADDRESS, *size]


def _emitter(wrapping: Wrapping) -> str:
    """Return the script that sends the files of a host; empty if there are no patterns."""
    if not wrapping.patterns:
        return ""
    values = {
        "mark": wrapping.mark,
        "folder": wrapping.folder or ".",
        "patterns": "\n".join(wrapping.patterns),
    }
    head = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    return "\n".join([*head, _text("emitter.sh")])


def _script(path: Path | None) -> str:
    """Return shell code: the text of a local script, or a command to source one in the image."""
    if path is None:
        return ""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return f". {shlex.quote(str(path))}"
    except (OSError, ValueError) as error:
        message = f"The script {path} cannot be read: {error}"
        raise InvalidJobException(message) from error
    if len(text) > _LONGEST_SCRIPT:
        message = f"The script {path} has {len(text)} characters; maximum: {_LONGEST_SCRIPT}"
        raise InvalidJobException(message)
    return text


@cache
def _text(name: str) -> str:
    """Return a script of this package, stripped of comments."""
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))
