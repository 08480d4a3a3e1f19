"""The executor as PSI/J knows it. Imported with PSI/J itself, so all that is heavy is elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psij import JobExecutor

if TYPE_CHECKING:
    from psij import Job, JobExecutorConfig, JobSpec

    from hybrid_parsl.psij_kubernetes.checks import Check


class KubernetesJobExecutor(JobExecutor):  # type: ignore[misc]
    """Runs PSI/J jobs on Kubernetes.

    A job of one process is a Job, one of more that an MPI launcher starts is an MPIJob of the
    Kubeflow MPI Operator. What PSI/J has no word for is said by custom attributes; see
    `hybrid_parsl.psij_kubernetes.options.JobOptions`.

    It keeps to PSI/J's contract and adds one promise: a job's name comes from the key of its task,
    so submitting a task again, by whatever process, finds the job that is there.

    Parameters
    ----------
    url
        A context of the kubeconfig; the configuration's own if None.
    config
        A `KubernetesExecutorConfig`; any other means its defaults.

    Raises
    ------
    ConfigurationError
        The Kubernetes client is not installed, or the cluster's configuration cannot be used.
    """

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        from hybrid_parsl.psij_kubernetes.cluster_jobs import ClusterJobs
        from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig

        if not isinstance(config, KubernetesExecutorConfig):
            config = KubernetesExecutorConfig()
        super().__init__(url=url, config=config)
        self._jobs = ClusterJobs(config.in_context(url), self._set_job_status)

    def submit(self, job: Job) -> None:
        """Create a job in the cluster, or find the one that its key names.

        Raises
        ------
        InvalidJobException
            It can never run as it is described.
        SubmitException
            The cluster did not take it this time.
        """
        self._check_job(job)
        try:
            self._jobs.submit(job)
        except BaseException:
            job.executor = job._native_id = None  # noqa: SLF001 - it was never submitted
            raise

    def planned_id(self, job: Job) -> str | None:
        """Return the id that `submit` gives to a job; None if it can never run."""
        return self._jobs.planned_id(job)

    def cancel(self, job: Job) -> None:
        """Delete a job from the cluster; it is CANCELED when all of it is gone.

        Raises
        ------
        SubmitException
            The cluster could not be told.
        """
        self._jobs.cancel(job)

    def list(self) -> list[str]:
        """Return the ids of all Jobs and MPIJobs in the namespace, whoever made them.

        Raises
        ------
        SubmitException
            The cluster did not answer.
        """
        return self._jobs.list()

    def attach(self, job: Job, native_id: str) -> None:
        """Follow a job that was submitted before, by whatever process.

        Its log is fetched to the places that the specification of `job` names, if it has one. A
        job that is not in the cluster any more FAILED, without an exit code.

        Raises
        ------
        InvalidJobException
            `job` is not new, or `native_id` is none of a job made through PSI/J.
        SubmitException
            The cluster did not answer.
        """
        earlier, job.executor = job.executor, self
        try:
            self._jobs.attach(job, native_id)
        except BaseException:
            job.executor = earlier
            raise

    def state(self, native_id: str) -> str | None:
        """Return PSI/J's name of the state of a job, without following it.

        None if it is not in the cluster any more.

        Raises
        ------
        InvalidJobException
            `native_id` is no id of a job.
        SubmitException
            The cluster did not answer.
        """
        return self._jobs.state(native_id)

    def check(self, spec: JobSpec | None = None) -> tuple[Check, ...]:
        """Return what was found out about the cluster, without making anything.

        Parameters
        ----------
        spec
            A job that the cluster is asked to create in a dry run of its own; none if None.

        Raises
        ------
        InvalidJobException
            The job can never run as it is described.
        """
        return self._jobs.check(spec)

    def close(self) -> None:
        """Follow jobs no more and end all threads; jobs go on in the cluster."""
        self._jobs.close()
