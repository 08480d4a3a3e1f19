"""What a campaign disturbs: this computer, a real Slurm, a real Kubernetes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psutil

if TYPE_CHECKING:
    from command import Command

_PATIENCE_S = 300.0
_CREATED = 201


@dataclass(frozen=True)
class Job:
    """A job as the service remembers it.

    Attributes
    ----------
    name, job_id
        How the service knows it.
    started, ended
        Seconds since the epoch; None while it waits, or has not ended.
    failed
        Whether it ended with an error: ``srun`` starts no ranks while its controller is away.
    """

    name: str
    job_id: str
    started: float | None = None
    ended: float | None = None
    failed: bool = False

    @property
    def task(self) -> str:
        """What stands before the part of its name that no other job has."""
        return re.sub(r"[-.]?[0-9a-f]{6,}.*$", "", self.name)


def records(run: Command) -> list[dict[str, object]]:
    """Return the records of the run's jobs and blocks."""
    return [json.loads(path.read_text()) for path in record_paths(run)]


def record_paths(run: Command) -> list[Path]:
    """Return the files of the records; folders may go away meanwhile."""
    return [
        Path(folder, name)
        for folder, _, names in os.walk(run.runs)
        for name in names
        if name == "job.json" or name.endswith(".block.json")
    ]


def executors_of_blocks(run: Command) -> dict[str, str]:
    """Return the Parsl executor of each block, by the name of its job."""
    blocks = [path for path in record_paths(run) if path.name.endswith(".block.json")]
    return {json.loads(path.read_text())["name"]: path.name.split(".")[1] for path in blocks}


class Service(Protocol):
    """Where runs are disturbed."""

    site: str

    def options(self, run: Command) -> list[str]:
        """Return the arguments that `run` begins with."""

    def leave(self) -> None:
        """Stop answering; jobs go on."""

    def come_back(self) -> None:
        """Answer again."""

    def live(self, run: Command) -> list[Job]:
        """Return the jobs of a run that wait or run."""

    def jobs(self, run: Command) -> list[Job]:
        """Return all jobs that the run ever had, as far as the service remembers."""

    @property
    def keeps_jobs(self) -> bool:
        """Whether the job of a killed driver is what the next one goes on with."""

    def stop(self) -> None:
        """End the service."""


class Local:
    """This computer, which is never away."""

    site = "local"
    keeps_jobs = True

    def options(self, run: Command) -> list[str]:
        """Return nothing."""
        del run
        return []

    def leave(self) -> None:
        """Do nothing."""

    def come_back(self) -> None:
        """Do nothing."""

    def live(self, run: Command) -> list[Job]:
        """Return the ranks' processes that work in the run's folder."""
        found = []
        for process in psutil.process_iter(["pid", "cmdline", "status"]):
            words = process.info["cmdline"] or []
            if "hybrid_parsl.mpi" in words and any(str(run.runs) in word for word in words):
                found.append(Job("process", str(process.info["pid"])))
        return found

    def jobs(self, run: Command) -> list[Job]:
        """Return the jobs that have a record: this computer keeps no other list."""
        return [Job(record["name"], str(record["job_id"])) for record in records(run)]

    def stop(self) -> None:
        """Do nothing."""


class Slurm:
    """A real Slurm of four nodes, with searches as jobs or in blocks."""

    site = "slurm"

    def __init__(self, *settings: str) -> None:
        from slurm_cluster import SlurmCluster

        self.settings = settings
        self.keeps_jobs = "mpi=pilot" not in settings
        self.cluster = SlurmCluster.start()
        os.environ["SLURM_CONF"] = str(self.cluster.configuration)

    def options(self, run: Command) -> list[str]:
        """Return the settings of the site."""
        del run
        return [word for each in self.settings for word in ("--site-set", each)]

    def leave(self) -> None:
        """Stop the controller."""
        self.cluster.stop_controller()

    def come_back(self) -> None:
        """Start the controller."""
        self.cluster.start_controller()
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(AssertionError):
                self.cluster.queue()
                return
            time.sleep(0.1)
        raise TimeoutError("slurmctld did not come back")

    def live(self, run: Command) -> list[Job]:
        """Return what squeue lists for the run's folder."""
        lines = self.cluster.command("squeue", "-h", "-o", "%i|%j|%Z").splitlines()
        rows = [line.split("|", 2) for line in lines]
        return [Job(name, job_id) for job_id, name, folder in rows if f"{run.runs}/" in folder]

    def jobs(self, run: Command) -> list[Job]:
        """Return what the controller has written down of the run's ended jobs."""
        found = []
        for line in self.cluster.job_log():
            fields = dict(re.findall(r"(\w+)=(\S*)", line))
            if f"{run.runs}/" in fields["WorkDir"]:
                times = [_epoch(fields[key]) for key in ("StartTime", "EndTime")]
                failed = fields["JobState"] == "FAILED"
                found.append(Job(fields["Name"], fields["JobId"], *times, failed))
        return found

    def stop(self) -> None:
        """End the cluster."""
        self.cluster.stop()


class Kubernetes:
    """A real Kubernetes of one node; each run has a namespace of its own."""

    site = "k8s"
    keeps_jobs = True
    _OURS = "jobs,mpijobs"

    def __init__(self) -> None:
        from container_image import ContainerImage
        from kubernetes_cluster import KubernetesCluster

        self.cluster = KubernetesCluster.start()
        image = ContainerImage.build()
        self.cluster.import_image(image.archive())
        self.folder = Path(tempfile.mkdtemp(prefix="hp-shared-"))
        self.folder.chmod(0o777)  # pods are not root
        self._command: list[str] = []
        mount = (
            f'name = "shared", mountPath = "{self.folder}", hostPath = {{path = "{self.folder}"}}'
        )
        os.environ |= {
            **self.cluster.environment,
            "HYBRID_PARSL_K8S_IMAGE": image.name,
            "HYBRID_PARSL_K8S_IMAGE_PULL_POLICY": "Never",
            "HYBRID_PARSL_K8S_CORES_PER_RANK": "0.1",  # the machine may have two processors
            "HYBRID_PARSL_K8S_VOLUMES": f"[{{{mount}}}]",
            "HYBRID_PARSL_K8S_ENVIRONMENT": f'{{NUMBA_CACHE_DIR = "{self.folder}/numba"}}',
        }

    def _kubectl(self, *words: str) -> str:
        """Return what kubectl prints, asked again while a server that has come back is busy."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self.cluster.kubectl(*words)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def _namespace(self, run: Command) -> str:
        """Return the name of the run's namespace."""
        return f"run-{run.runs.name}"

    def options(self, run: Command) -> list[str]:
        """Make the run's namespace, and return the setting that names it."""
        name = self._namespace(run)
        if name not in self._kubectl("get", "namespaces", "-o", "name"):
            self._kubectl("create", "namespace", name)
        return ["--site-set", f"namespace={name}"]

    def leave(self) -> None:
        """Stop the API server."""
        self._command = self.cluster.stop_api_server()

    def come_back(self) -> None:
        """Start the API server."""
        self.cluster.start_api_server(self._command)

    def live(self, run: Command) -> list[Job]:
        """Return the Jobs and MPIJobs that have not ended, and pods that run."""
        found = []
        words = ("get", f"{self._OURS},pods", "-n", self._namespace(run), "-o", "json")
        for thing in json.loads(self._kubectl(*words))["items"]:
            status, meta = thing.get("status", {}), thing["metadata"]
            over = any(
                each["type"] in ("Complete", "Failed", "Succeeded") and each["status"] == "True"
                for each in status.get("conditions", [])
            )
            is_pod = thing["kind"] == "Pod"
            if is_pod:
                over = status.get("phase") in ("Succeeded", "Failed")
            if not over and "deletionTimestamp" not in meta:
                found.append(Job(meta["name"], f"{thing['kind']}/{meta['name']}"))
        return found

    def jobs(self, run: Command) -> list[Job]:
        """Return what the audit log says was created for the run."""
        log = self.cluster.root / "run" / "log" / "audit.log"
        found = []
        for line in log.read_text().splitlines():
            event = json.loads(line)
            what = event["objectRef"]
            name = what.get("name", "")
            is_new = event["responseStatus"]["code"] == _CREATED
            is_launcher = what["resource"] == "jobs" and name.endswith("-launcher")
            if what.get("namespace") != self._namespace(run) or is_launcher:
                continue
            if is_new and "dryRun" not in event["requestURI"]:
                found.append(Job(name, f"{what['resource']}/{name}"))
        return found

    def stop(self) -> None:
        """End the cluster."""
        self.cluster.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


SERVICES = {
    "local": Local,
    "slurm": Slurm,
    "slurm-pilot": lambda: Slurm("mpi=pilot", "stages=blocks", "nodes=2"),
    "kubernetes": Kubernetes,
}


def _epoch(text: str) -> float | None:
    """Return a time of Slurm's as seconds since the epoch, None for an unknown one."""
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(text).timestamp()
    return None
