"""The settings that sites with a batch scheduler have in common."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from parsl import Config
from pydantic import AfterValidator, Field

from hybrid_parsl import labels
from hybrid_parsl.engine.blocks.pilot import PilotExecutor, PilotMPIExecutor
from hybrid_parsl.engine.jobs.module_system import load_modules
from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.psij_provider import PsiJProvider
from hybrid_parsl.engine.site_settings import ShellText, SiteSettings
from hybrid_parsl.engine.time_spans import PositiveDuration  # noqa: TC001 - pydantic reads it
from hybrid_parsl.engine.warm_processes import WarmProcesses, WarmProcessExecutor
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from parsl.executors.base import ParslExecutor


_QPU_NAME = "NAME"
_OF_A_PROCESS = ("walltime_s", "memory_gib_per_rank")


def _check_qpu(name: str) -> str:
    """Return the name of a QPU.

    Raises
    ------
    ValueError
        If it has other characters than those of names.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        message = "should be a name: letters and digits, then also _ . -"
        raise ValueError(message)
    return name


def _check_qpu_option(option: str) -> str:
    """Return an option of a scheduler.

    Raises
    ------
    ValueError
        If it does not name the QPU.
    """
    key, _, value = option.partition("=")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", key) or _QPU_NAME not in value:
        message = f"should be OPTION=VALUE without dashes before it, with {_QPU_NAME} in VALUE"
        raise ValueError(message)
    return option


class BatchSettings(SiteSettings):
    """Settings of a site with a batch scheduler.

    What says how large a search is (``nodes``, ``ranks_per_node``, ``walltime``, and cores, memory
    and GPUs of a rank) replaces what the experiment asks for; left out, the experiment decides.
    With ``mpi = "pilot"``, ``nodes`` and ``walltime`` are those of a block, in which searches of
    any size that fits run.
    """

    mpi: Literal["job", "pilot"] = Field(
        default="job",
        description="Each search a batch job of its own, or many inside one block of nodes.",
    )
    stages: Literal["login", "blocks", "jobs"] = Field(
        default="login",
        description="Where circuit and analysis run: here, in blocks, or each in a job.",
    )
    qpu: Annotated[str, AfterValidator(_check_qpu)] | None = Field(
        default=None,
        description="QPU that the jobs of circuits ask for, where stages is blocks or jobs.",
    )
    qpu_option: Annotated[str, AfterValidator(_check_qpu_option)] | None = Field(
        default=None,
        description="How they ask: an option of the scheduler in which NAME stands for the QPU, "
        "such as gres=qpu:NAME:1 or licenses=NAME:1; qpu=NAME with Slurm if not set.",
    )
    blocks: int = Field(default=1, ge=1, description="Most blocks at once, for each stage.")
    idle_time: PositiveDuration = Field(
        default=timedelta(minutes=2), description="A block without work for so long is given back."
    )
    partition: str | None = Field(
        default=None, description="Partition or queue; the scheduler's default if left out."
    )
    account: str | None = Field(default=None, description="Account or project that is charged.")
    walltime: PositiveDuration | None = Field(
        default=None, description="Longest time of a job, such as 30min or 1:30:00."
    )
    nodes: int | None = Field(default=None, ge=1, description="Nodes of a search.")
    ranks_per_node: int | None = Field(default=None, ge=1, description="MPI ranks on each node.")
    cores_per_rank: int | None = Field(default=None, ge=1, description="CPU cores of each rank.")
    memory_gib_per_rank: float | None = Field(
        default=None, gt=0, le=65_536, description="Memory of each rank in GiB."
    )
    gpus_per_rank: int | None = Field(default=None, ge=1, description="GPUs of each rank.")
    modules: list[ShellText] = Field(
        default=[], description="Environment modules that each job loads."
    )
    worker_init: ShellText = Field(
        default="", description="Shell commands that each job runs first, after the modules."
    )
    mpi_launcher: Literal["srun", "mpirun"] = Field(
        default="srun", description="What starts the ranks."
    )
    mpi_type: str = Field(
        default="pmi2", description="How srun connects the ranks; see srun --mpi=list."
    )
    attributes: dict[str, str] = Field(
        default={}, description='More options of the scheduler, such as { qos = "debug" }.'
    )
    python: str | None = Field(
        default=None, description="Interpreter on the nodes; the same path as here if left out."
    )
    address: str | None = Field(
        default=None,
        description="Address of this computer that blocks connect to; any it has if left out.",
    )
    polling_interval: PositiveDuration = Field(
        default=timedelta(seconds=1), description="Time between two questions to the scheduler."
    )

    @property
    def requested_qpu(self) -> str | None:
        """The QPU that the jobs of circuits request."""
        return self.qpu or self.attributes.get("qpu")

    def batch_options(self) -> BatchOptions:
        """Return the options of each job besides its size."""
        return BatchOptions(
            queue_name=self.partition,
            account=self.account,
            attributes=self.attributes,
            worker_init="\n".join(filter(None, [load_modules(self.modules), self.worker_init])),
            polling_interval_s=self.polling_interval.total_seconds(),
        )

    def options_with_qpu(self, backend: str) -> BatchOptions:
        """Return the options of the jobs of circuits, for the scheduler `backend`.

        Raises
        ------
        ConfigurationError
            If they cannot ask for the QPU.
        """
        options = self.batch_options()
        if self.qpu is None:
            return options
        if self.stages == "login":
            message, valid = "circuits run on the login node", "stages = blocks or stages = jobs"
            raise ConfigurationError(message, "site", "qpu", shown(self.qpu), valid)
        option = self.qpu_option or (f"qpu={_QPU_NAME}" if backend == "slurm" else None)
        if option is None:
            message, valid = f"how {backend} is asked for a QPU is not known", "qpu_option"
            raise ConfigurationError(message, "site", "qpu", shown(self.qpu), valid)
        key, _, value = option.partition("=")
        asked = [options.attributes.get(key), value.replace(_QPU_NAME, self.qpu)]
        together = {key: ",".join(filter(None, asked))}
        return replace(options, attributes={**options.attributes, **together})

    def parsl_config(self, backend: str, directory: Path) -> Config:
        """Return what Parsl needs for a run in `directory`, with the scheduler `backend`.

        Raises
        ------
        ConfigurationError
            If an option of the scheduler cannot be used.
        """
        self.options_with_qpu(backend).check(backend)
        blocks = self.mpi == "pilot" or self.stages == "blocks"
        return Config(
            executors=self.executors(backend, directory / "tasks"),
            run_dir=str(directory / "parsl"),
            strategy="simple" if blocks else "none",
            strategy_period=1,
            max_idletime=self.idle_time.total_seconds(),
        )

    def size(self) -> dict[str, float]:
        """Return what replaces a part of an experiment's resources."""
        values = {
            "num_nodes": self.nodes,
            "ranks_per_node": self.ranks_per_node,
            "walltime_s": int(self.walltime.total_seconds()) if self.walltime else None,
            "cores_per_rank": self.cores_per_rank,
            "memory_gib_per_rank": self.memory_gib_per_rank,
            "gpus_per_rank": self.gpus_per_rank,
        }
        return {key: value for key, value in values.items() if value is not None}

    def executors(self, backend: str, tasks: Path) -> list[ParslExecutor]:
        """Return the executors of all labels.

        Parameters
        ----------
        backend
            PSI/J's name of the scheduler.
        tasks
            Where tasks have their folders.
        """
        circuits, others = self.options_with_qpu(backend), self.batch_options()
        options = {labels.QUANTUM: circuits, labels.ANALYSIS: others}
        if self.stages == "blocks":
            return [
                self.mpi_executor(backend, tasks),
                *(
                    PilotExecutor(label, tasks, self.provider(backend, batch=batch), self.address)
                    for label, batch in options.items()
                ),
            ]
        if self.stages == "jobs":
            return [
                self.mpi_executor(backend, tasks),
                *(
                    self.job_executor(label, backend, tasks, "single", batch, self.of_a_process())
                    for label, batch in options.items()
                ),
            ]
        processes = WarmProcesses(1)
        return [
            self.mpi_executor(backend, tasks),
            WarmProcessExecutor(labels.QUANTUM, tasks, processes),
            WarmProcessExecutor(labels.ANALYSIS, tasks, processes),
        ]

    def mpi_executor(self, backend: str, tasks: Path) -> ParslExecutor:
        """Return what runs searches: a job each, or side by side in a block."""
        if self.mpi == "job":
            return self.job_executor(
                labels.MPI, backend, tasks, self.mpi_launcher, self.batch_options(), self.size()
            )
        launcher = "srun" if self.mpi_launcher == "srun" else "mpiexec"
        provider = self.provider(backend, self.nodes or 1)
        overrides = {key: n for key, n in self.size().items() if key != "num_nodes"}
        return PilotMPIExecutor(
            labels.MPI, tasks, provider, launcher, self.python, overrides, self.address
        )

    def job_executor(
        self,
        label: str,
        backend: str,
        tasks: Path,
        launcher: str,
        batch: BatchOptions,
        overrides: Mapping[str, float],
    ) -> PsiJExecutor:
        """Return what runs each task of a label as a job of its own."""
        return PsiJExecutor(
            label,
            tasks,
            backend,
            launcher=launcher,
            python=self.python,
            environment=self._variables(),
            batch=batch,
            overrides=overrides,
        )

    def of_a_process(self) -> dict[str, float]:
        """Return the size of the job of a single process."""
        decided = {key: n for key, n in self.size().items() if key in _OF_A_PROCESS}
        return {**decided, "num_nodes": 1, "ranks_per_node": 1}

    def provider(
        self, backend: str, nodes: int = 1, *, batch: BatchOptions | None = None
    ) -> PsiJProvider:
        """Return what gets blocks of `nodes` nodes, with `batch` in place of the usual options."""
        walltime = self.walltime or timedelta(hours=1)
        return PsiJProvider(
            backend,
            batch or self.batch_options(),
            walltime_s=int(walltime.total_seconds()),
            nodes_per_block=nodes,
            max_blocks=self.blocks,
            environment=self._variables(),
            python=self.python,
        )

    def _variables(self) -> dict[str, str]:
        """Return the environment variables of jobs."""
        if self.mpi_launcher != "srun":
            return {}
        return {"SLURM_MPI_TYPE": self.mpi_type, "SLURM_KILL_BAD_EXIT": "1"}
