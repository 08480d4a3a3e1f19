"""The PSI/J executor class; ``import psij`` imports this module, so heavy imports are deferred."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psij import JobExecutor

if TYPE_CHECKING:
    from psij import Job, JobExecutorConfig, JobSpec

    from hybrid_parsl.psij_kubernetes.preflight import Check


class KubernetesJobExecutor(JobExecutor):  # type: ignore[misc]
    """PSI/J executor for Kubernetes.

    A job with one process becomes a Job; with several processes and an MPI launcher, an MPIJob of
    the Kubeflow MPI Operator. Options that PSI/J does not have are custom attributes; see
    `hybrid_parsl.psij_kubernetes.options.JobOptions`.

    Beyond the contract of PSI/J, submission is idempotent: the name of a job derives from the key
    of its task, and submitting the task again, from any process, adopts the existing job.

    Parameters
    ----------
    url
        Context of the kubeconfig; that of the configuration if None.
    config
        A `KubernetesExecutorConfig`; defaults are used for any other type.

    Raises
    ------
    ConfigurationError
        If the official client is not installed or the configuration is invalid.
    """

    def __init__(self, url: str | None = None, config: JobExecutorConfig | None = None) -> None:
        from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
        from hybrid_parsl.psij_kubernetes.jobs import ClusterJobs

        if not isinstance(config, KubernetesExecutorConfig):
            config = KubernetesExecutorConfig()
        super().__init__(url=url, config=config)
        self._jobs = ClusterJobs(config.in_context(url), self._set_job_status)

    def submit(self, job: Job) -> None:
        """Create a job, or adopt the existing job with its key.

        Raises
        ------
        InvalidJobException
            If the job is invalid.
        SubmitException
            If the cluster did not accept it.
        """
        self._check_job(job)
        try:
            self._jobs.submit(job)
        except BaseException:
            job.executor = job._native_id = None  # noqa: SLF001 - allow another submission
            raise

    def planned_id(self, job: Job) -> str | None:
        """Return the id that `submit` will assign to a job; None if the job is invalid."""
        return self._jobs.planned_id(job)

    def cancel(self, job: Job) -> None:
        """Delete a job from the cluster; it is CANCELED when the deletion is complete.

        Raises
        ------
        SubmitException
            If the request failed.
        """
        self._jobs.cancel(job)

    def list(self) -> list[str]:
        """Return the ids of all Jobs and MPIJobs in the namespace, including those of others.

        Raises
        ------
        SubmitException
            If the request failed.
        """
        return self._jobs.list()

    def attach(self, job: Job, native_id: str) -> None:
        """Track a job that was submitted earlier, by any process.

        Its log is written to the paths in the specification of `job`, if it has one. A job that no
        longer exists in the cluster is FAILED without an exit code.

        Raises
        ------
        InvalidJobException
            If `job` is not new, or `native_id` is not that of a job created through PSI/J.
        SubmitException
            If the request failed.
        """
        earlier, job.executor = job.executor, self
        try:
            self._jobs.attach(job, native_id)
        except BaseException:
            job.executor = earlier
            raise

    def state(self, native_id: str) -> str | None:
        """Return the name of the `psij.JobState` of a job, without tracking it.

        None if the job does not exist.

        Raises
        ------
        InvalidJobException
            If `native_id` is not a valid id.
        SubmitException
            If the request failed.
        """
        return self._jobs.state(native_id)

    def check(self, spec: JobSpec | None = None) -> tuple[Check, ...]:
        """Check the cluster without creating anything.

        Parameters
        ----------
        spec
            A job to create in a server-side dry run; None to omit that.

        Raises
        ------
        InvalidJobException
            If the job is invalid.
        """
        return self._jobs.check(spec)

    def close(self) -> None:
        """Stop tracking jobs and stop all threads; jobs continue in the cluster."""
        self._jobs.close()
