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
"""Where the MPI Operator tells the launcher its workers."""
POD_ADDRESS = "\0address"
"""Stands in a command line for the address of its pod."""
MARK_VARIABLE = "PSIJ_LOG_MARK"
"""Where processes of a job find the digits with which they tell lines of files."""
SINGLE, MULTIPLE, MPIRUN = "single", "multiple", "mpirun"
_LONGEST_SCRIPT = 32_768


@dataclass(frozen=True)
class Layout:
    """Pods and processes of a job.

    Attributes
    ----------
    launcher
        `SINGLE`, `MULTIPLE` or `MPIRUN`.
    n_nodes
        Pods that compute, at least 1.
    n_processes
        All processes, at least 1.
    """

    launcher: str
    n_nodes: int
    n_processes: int

    @property
    def is_mpi(self) -> bool:
        """Whether the job is an MPIJob: several processes that an MPI launcher starts."""
        return self.launcher == MPIRUN and self.n_processes > 1

    @classmethod
    def of(cls, spec: JobSpec) -> Layout:
        """Return the layout that `spec` asks for.

        Raises
        ------
        InvalidJobException
            Pods cannot be laid out like that.
        """
        launcher = spec.launcher or SINGLE
        known = (SINGLE, MULTIPLE, MPIRUN)
        if launcher not in known:
            message = f"There is no launcher '{launcher}' in a pod; valid: {', '.join(known)}"
            raise InvalidJobException(message)
        resources = spec.resources or ResourceSpecV1()
        if resources.version != 1:
            message = f"Resources of version {resources.version} are not known; valid: 1"
            raise InvalidJobException(message)
        if resources.exclusive_node_use:
            message = "A pod cannot have a node for itself: leave out exclusive_node_use"
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
    """What the wrapper around a job's command has to do.

    Attributes
    ----------
    mark
        Begins each record in the log.
    patterns
        Files to be told when the command has ended.
    folder
        Where they are; the container's own working directory if None.
    """

    mark: str
    patterns: tuple[str, ...] = ()
    folder: str | None = None


def command_line(spec: JobSpec, layout: Layout, mpi: str, wrapping: Wrapping | None) -> list[str]:
    """Return what the container runs.

    Without a wrapper that is the executable itself, and the image needs no shell.

    Parameters
    ----------
    spec
        The job.
    layout
        Its processes.
    mpi
        Which MPI the image has.
    wrapping
        What the wrapper has to do; None if there is none.

    Raises
    ------
    InvalidJobException
        The executable is missing, or a script is too long or not readable.
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
    told = _emitter(wrapping)
    return [
        shell, "-c", _text("wrapper.sh"), "psij",
        wrapping.mark, str(copies), pre, post, told, hosts, *bare,
    ]  # fmt: skip


def _mpirun(mpi: str, n_processes: int, variables: Sequence[str]) -> list[str]:
    """Return what starts the ranks; the MPI Operator tells it the hosts."""
    size = ["-n", str(n_processes)]
    if mpi == "openmpi":  # Hydra hands on the whole environment, Open MPI what it is told
        handed_on = [word for name in variables for word in ("-x", name)]
        return ["mpirun", *size, "--bind-to", "none", *handed_on]
    # Hydra's proxies call back, and the cluster's DNS may not know the launcher's name yet
    return ["mpirun", "-localhost", POD_ADDRESS, *size]


def _emitter(wrapping: Wrapping) -> str:
    """Return the script that tells the files of a host; nothing if none are wanted."""
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
    """Return what to source: the text of a script that is here, else of one in the image."""
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
        message = f"The script {path} has {len(text)} characters; at most {_LONGEST_SCRIPT} fit"
        raise InvalidJobException(message)
    return text


@cache
def _text(name: str) -> str:
    """Return a script of this package without its comments."""
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))
