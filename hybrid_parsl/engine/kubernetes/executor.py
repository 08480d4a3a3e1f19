"""Tasks as jobs of a Kubernetes cluster, which sees none of the driver's files."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.jobs.backend import JobBackend
from hybrid_parsl.engine.jobs.kube_context import FOLDER, KUBERNETES, KubeContext
from hybrid_parsl.engine.jobs.psij_loading import check_backend, load_psij
from hybrid_parsl.engine.kubernetes.manifest_text import as_yaml
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.site_executor import Preview
from hybrid_parsl.engine.tasks.kept_lines import collect_lines
from hybrid_parsl.errors import BackendUnavailableError, ConfigurationError, JobRejectedError
from hybrid_parsl.tasks.folder import KEPT_LINES, TaskFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psij import JobSpec

    from hybrid_parsl.engine.tasks.folders import TaskFolders
    from hybrid_parsl.engine.tasks.resource_request import ResourceRequest

_GIB = 2**30
_CHECK_PATIENCE_S = 3.0
_DIGITS = 10  # of an object's name, from the run and the request
"""How long a check waits for an API server that does not answer."""
_VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    # the root file system is read-only
    "NUMBA_CACHE_DIR": "/tmp/numba",  # noqa: S108
    "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108
    "XDG_CACHE_HOME": "/tmp/cache",  # noqa: S108
}


class KubernetesExecutor(PsiJExecutor):
    """Runs each task as a Job, or with several ranks as an MPIJob.

    The folder of a task is there in its pods under the same path: its request goes there as a
    Secret, and what its ranks leave comes back through the log. The folder is the key of the
    task: a driver that was killed while it submitted finds the job again.

    Parameters
    ----------
    label, work_directory, launcher, overrides
        As for `PsiJExecutor`.
    cluster
        Where it is.
    options
        What `hybrid_parsl.psij_kubernetes.options.JobOptions` lists, for all jobs.
    python
        The interpreter in the image.
    environment
        Variables that the ranks get; nothing is taken from the driver's.
    queue, account
        A queue of Kueue, and who is charged.
    folders
        The tasks' folders, for executors that share a work directory: equal calls of two of them
        are two tasks. Its own if None.
    """

    shares_files = False
    packs_searches = False
    version_advice = (
        "build the image from what is installed here, and set image to it; see containers/"
    )

    def __init__(
        self,
        label: str,
        work_directory: str | os.PathLike[str],
        cluster: KubeContext,
        options: Mapping[str, Any],
        *,
        launcher: str = "mpirun",
        python: str = "python",
        environment: Mapping[str, str] | None = None,
        overrides: Mapping[str, float | None] | None = None,
        queue: str | None = None,
        account: str | None = None,
        folders: TaskFolders | None = None,
    ) -> None:
        super().__init__(
            label,
            work_directory,
            KUBERNETES,
            launcher,
            python,
            environment,
            overrides=overrides,
        )
        self.cluster = cluster
        self.options = dict(options)
        self.queue = queue
        self.account = account
        self.folders = folders
        if folders is not None:
            self._folders = folders

    def start(self) -> None:
        """Log in to the cluster.

        Raises
        ------
        ConfigurationError
            If there is no client, or the cluster's configuration cannot be used.
        StorageError
            If the folder cannot be written.
        """
        folder = Path(self.work_directory).absolute() / FOLDER
        self.cluster.write(folder)
        self._backend = JobBackend(self.backend, folder)

    def check(self, resource_specification: dict[str, Any]) -> None:
        """Find out, without asking the cluster, whether a task could be submitted.

        Raises
        ------
        ConfigurationError
            If the resource specification or an option cannot be used.
        """
        check_backend(self.backend)
        self._plan("task", self._request(resource_specification))

    @property
    def runs_here(self) -> bool:
        """Whether pods share the driver's memory: they do not."""
        return False

    @property
    def software(self) -> str | None:
        """The image and its interpreter if the image is named by its digest, else None."""
        image = str(self.options.get("image") or "")
        return f"{self.python} in {image}" if "@sha256:" in image else None

    def preview(self, name: str, resource_specification: dict[str, Any]) -> Preview:
        """Return what a task would be and request, and its objects as YAML.

        What the task is sent is added to the Secret only when the job is created.

        Raises
        ------
        ConfigurationError
            If the resource specification or an option cannot be used.
        """
        request = self._request(resource_specification)
        plan = self._plan(name, request)
        where = self.cluster.context or "the current context"
        kind, metadata = plan.manifest["kind"], plan.manifest["metadata"]
        asked = _requests(plan.manifest)
        amounts = ", ".join(f"{resource} {amount}" for resource, amount in asked.items())
        headline = (
            f"{kind} in namespace {metadata['namespace']} of {where}\n"
            f"named {metadata['name']}, the last {_DIGITS} digits those of the run\n"
            f"{request.num_ranks} rank{'s' * (request.num_ranks > 1)} in {request.num_nodes} "
            f"pod{'s' * (request.num_nodes > 1)}, at most {timedelta(seconds=request.walltime_s)}; "
            f"each pod requests {amounts or 'nothing'}"
        )
        manifests = f"{as_yaml(plan.manifest)}\n---\n{as_yaml(plan.secret)}"
        return Preview(headline, {f"{name}.yaml": manifests})

    def validate(self, name: str, resource_specification: dict[str, Any]) -> str:
        """Check the user's rights, and ask the cluster for a dry run of its own.

        Raises
        ------
        ConfigurationError
            If the cluster cannot be reached as the site is configured.
        BackendUnavailableError
            If the API server does not answer.
        JobRejectedError
            If it would not accept the job, or the user lacks a right.
        """
        from hybrid_parsl.psij_kubernetes.preflight import API_SERVER, QUOTA

        found = self.diagnose(resource_specification, name)
        wrong = [each for each in found if each[1] is False and not each[0].startswith(QUOTA)]
        for check, _, said in wrong:
            if check == API_SERVER:
                raise BackendUnavailableError(self.backend, said)
            raise JobRejectedError(self.backend, f"{check}: {said}")
        return found[-1][2]

    def diagnose(
        self, resource_specification: dict[str, Any], name: str = "task"
    ) -> list[tuple[str, bool | None, str]]:
        """Return name, outcome and details of checks on all that a task needs in the cluster.

        Parameters
        ----------
        resource_specification
            What the task asks for.
        name
            The name of its function.

        Raises
        ------
        ConfigurationError
            If the cluster cannot be reached as the site is configured.
        """
        spec = self._spec_of(name, self._request(resource_specification))
        config = replace(self.cluster.config(), retry_s=_CHECK_PATIENCE_S)
        executor = load_psij().JobExecutor.get_instance(self.backend, config=config)
        try:
            return [(each.name, each.passed, each.detail) for each in executor.check(spec)]
        finally:
            executor.close()

    def job_source(self) -> None:
        """Return None: a cluster is not a batch scheduler."""

    def discard_failed_jobs(self) -> None:
        """Delete failed jobs as soon as their outcome is known."""
        self.cluster = replace(self.cluster, keep="none")

    def _spec_of(self, name: str, request: ResourceRequest) -> JobSpec:
        """Return PSI/J's description of a task whose folder is not there."""
        spec = self._job_spec(TaskFolder(Path(self.work_directory).absolute() / name), request)
        spec.attributes.custom_attributes["kubernetes.inputs"] = {"request.frame": b""}
        return spec

    def _plan(self, name: str, request: ResourceRequest) -> Any:
        """Return what would be created for a task.

        Raises
        ------
        ConfigurationError
            If an option cannot be used.
        """
        from hybrid_parsl.psij_kubernetes import JobOptions
        from hybrid_parsl.psij_kubernetes.job_plan import plan_job

        spec = self._spec_of(name, request)
        try:
            options = JobOptions().for_job(spec)
            return plan_job(spec, options, self._namespace(), options.key or "")
        except load_psij().InvalidJobException as error:
            raise ConfigurationError(error.message, "site") from error

    def _namespace(self) -> str:
        """Return the namespace of the jobs, as far as it is known without asking the cluster."""
        from hybrid_parsl.psij_kubernetes.auth import resolve_namespace

        return resolve_namespace(self.cluster.config())

    def _job_spec(self, folder: TaskFolder, request: ResourceRequest) -> JobSpec:
        """Return PSI/J's description of the job."""
        psij = load_psij()
        return psij.JobSpec(
            name=f"hybrid-parsl-{folder.path.name}",
            executable=self.python,
            arguments=["-P", "-m", "hybrid_parsl.mpi", str(folder.path)],
            directory=folder.path,
            environment={**_VARIABLES, **self.environment},
            stdout_path=folder.stdout,
            stderr_path=folder.stderr,
            launcher=self.launcher,
            resources=self._resources(request),
            attributes=psij.JobAttributes(
                duration=timedelta(seconds=request.walltime_s),
                queue_name=self.queue,
                account=self.account,
                custom_attributes=self._attributes(folder),
            ),
        )

    def _resources(self, request: ResourceRequest) -> Any:
        """Return PSI/J's description of nodes, ranks, and the resources of each rank."""
        psij = load_psij()
        memory = request.memory_gib_per_rank
        return psij.ResourceSpecV1(
            node_count=request.num_nodes,
            processes_per_node=request.num_ranks // request.num_nodes,
            cpu_cores_per_process=request.cores_per_rank,
            gpu_cores_per_process=request.gpus_per_rank,
            memory=None if memory is None else round(memory * _GIB * request.num_ranks),
        )

    def _is_on_volume(self, folder: TaskFolder) -> bool:
        """Return whether the pods see the folder of a task."""
        from hybrid_parsl.psij_kubernetes.job_manifests import is_mounted

        mounts = [each for each in self.options.get("volumes", []) if "mountPath" in each]
        return is_mounted(str(folder.path), mounts)

    def _attributes(self, folder: TaskFolder) -> dict[str, Any]:
        """Return what PSI/J has no word for."""
        ours: dict[str, Any] = {
            "key": _key_of(folder),
            "pending_reason": str(folder.waiting),
            "inputs": {folder.request.name: folder.request},
            "outputs": {
                folder.result.name: folder.result,
                folder.ranks.name: folder.ranks,
                "failure-*.frame": folder.path,
            },
        }
        if not self._is_on_volume(folder):
            reports = {each.name: each for each in (folder.ranks, folder.progress)}
            ours["lines"] = {**reports, KEPT_LINES: folder.path}
            ours["inputs"] |= _kept_by_earlier_tries(folder)
        return {f"kubernetes.{name}": value for name, value in {**self.options, **ours}.items()}


def _requests(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what each pod that holds ranks requests, by resource."""
    spec = manifest["spec"]
    replicas = spec.get("mpiReplicaSpecs", {})
    template = replicas.get("Worker", replicas.get("Launcher", spec)).get("template")
    container = template["spec"]["containers"][0]
    requests: dict[str, Any] = container.get("resources", {}).get("requests", {})
    return requests


def _kept_by_earlier_tries(folder: TaskFolder) -> dict[str, bytes]:
    """Return what an earlier try has reported of its work, as far as it fits beside the request."""
    from hybrid_parsl.psij_kubernetes.job_plan import MAX_SECRET_BYTES

    room = MAX_SECRET_BYTES - folder.request.stat().st_size if folder.request.exists() else 0
    return collect_lines(folder, max(0, room))


def _key_of(folder: TaskFolder) -> str:
    """Return what identifies a task: its folder, and the request in it."""
    request = folder.request.read_bytes() if folder.request.exists() else b""
    return f"{os.uname().nodename}:{folder.path}:{hashlib.sha256(request).hexdigest()[:16]}"
