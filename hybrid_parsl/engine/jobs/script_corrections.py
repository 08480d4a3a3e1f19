"""Puts right what PSI/J 0.9.11 writes into batch scripts.

It quotes each value for a shell, also inside double quotes and in the scheduler's own lines, where
a shell's quotes are read as they stand. It has no cores, memory or GPUs for some schedulers, asks
Slurm for the memory of the whole job on each node, and loses Cobalt's walltime.
"""

from __future__ import annotations

import math
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.scheduler_directives import check_value

if TYPE_CHECKING:
    from psij import JobSpec, ResourceSpecV1

_VALUE = re.compile("\x02([0-9a-f]*)\x03")
_PLAIN = re.compile(r"[\w@%+=:,./~^-]+")
_IN_DOUBLE_QUOTES = re.compile(r'[\\"$`]')
_WITHOUT_VALUE = re.compile(r"^(#\w+ --?[\w-]+)[= ]\"\"$")
_MEMORY_OF_SLURM = re.compile(r"^#SBATCH --mem=\d+K$", re.MULTILINE)
_MEMORY_OPTIONS = {"mem", "mem-per-cpu", "mem-per-gpu"}
_SELECT = re.compile(r"^#PBS -l select=.*$", re.MULTILINE)
_NODES = re.compile(r"^#PBS -l nodes=.*$", re.MULTILINE)
_LOST_TIME = re.compile(r"^#COBALT --time.*$", re.MULTILINE)
_KIB = 1024


def mark(value: object) -> str:
    """Return `value` as a template is to hold it, until `finish` knows what quotes it needs."""
    text = str(value.absolute() if isinstance(value, Path) else value)
    return f"\x02{text.encode().hex()}\x03"


def finish(script: str, backend: str, spec: JobSpec) -> str:
    """Return a script with all values quoted, and with the resources that its ranks ask for.

    Parameters
    ----------
    script
        What PSI/J has made of its template, the values as `mark` returns them.
    backend
        PSI/J's name of the scheduler.
    spec
        PSI/J's description of the job.

    Raises
    ------
    ConfigurationError
        If a line for the scheduler cannot hold a value.
    """
    text = "\n".join(_quoted(line, backend) for line in script.split("\n"))
    resources, attributes = spec.resources, spec.attributes
    if backend == "slurm":
        custom = {key.partition(".")[2] for key in attributes.custom_attributes or {}}
        memory = None if custom & _MEMORY_OPTIONS else _memory_kib(resources)
        text = _MEMORY_OF_SLURM.sub(f"#SBATCH --mem={memory}K" if memory else "", text)
        if resources.exclusive_node_use:  # a block, whose steps decide how ranks share its GPUs
            text = text.replace("#SBATCH --gpus-per-task=", "#SBATCH --gpus-per-node=")
        return text
    if backend == "pbs":
        return _SELECT.sub(_chunks(resources), text)
    if backend == "pbs_classic":
        return _NODES.sub(_nodes(resources), text)
    if backend == "cobalt":
        minutes = math.ceil(attributes.duration.total_seconds() / 60)
        return _LOST_TIME.sub(f"#COBALT --time={minutes}", text)
    return text


def _quoted(line: str, backend: str) -> str:
    """Return a line of a script with its values quoted for who reads the line.

    An option whose value is empty becomes one that takes none, such as ``--no-requeue``.
    """
    is_directive = line.startswith("#")
    is_inside = False
    parts = []
    for number, part in enumerate(_VALUE.split(line)):
        if number % 2 == 0:
            is_inside ^= bool(part.count('"') % 2)
            parts.append(part)
            continue
        value = escaped = bytes.fromhex(part).decode()
        if is_directive:
            check_value("an option or variable", value, backend)
        if not is_directive or backend == "slurm":
            special = r'[\\"]' if is_directive else _IN_DOUBLE_QUOTES
            escaped = re.sub(special, r"\\\g<0>", value)
        if is_inside or (is_directive and _PLAIN.fullmatch(value)):
            parts.append(escaped)
        else:
            parts.append(f'"{escaped}"' if is_directive else shlex.quote(value))
    return _WITHOUT_VALUE.sub(r"\1", "".join(parts))


def _chunks(resources: ResourceSpecV1) -> str:
    """Return the line that asks PBS Pro or OpenPBS for nodes."""
    each = resources.computed_processes_per_node
    asked = [
        f"select={resources.computed_node_count}",
        f"ncpus={each * (resources.cpu_cores_per_process or 1)}",
        f"mpiprocs={each}",
    ]
    if resources.gpu_cores_per_process:
        asked.append(f"ngpus={each * resources.gpu_cores_per_process}")
    if memory := _memory_kib(resources):
        asked.append(f"mem={memory}kb")
    return f"#PBS -l {':'.join(asked)}"


def _nodes(resources: ResourceSpecV1) -> str:
    """Return the lines that ask Torque for nodes and the memory of a process."""
    each = resources.computed_processes_per_node
    asked = [
        f"nodes={resources.computed_node_count}",
        f"ppn={each * (resources.cpu_cores_per_process or 1)}",
    ]
    if resources.gpu_cores_per_process:
        asked.append(f"gpus={each * resources.gpu_cores_per_process}")
    lines = [f"#PBS -l {':'.join(asked)}"]
    if memory := _memory_kib(resources):
        lines.append(f"#PBS -l pmem={memory // each}kb")
    return "\n".join(lines)


def _memory_kib(resources: ResourceSpecV1) -> int | None:
    """Return the memory that a job asks for on each node, in KiB; None if it does not."""
    memory: int | None = resources.memory
    if not memory:
        return None
    return math.ceil(memory / int(resources.computed_node_count) / _KIB)
