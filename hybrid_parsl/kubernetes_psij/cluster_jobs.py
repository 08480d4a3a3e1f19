"""All that the executor does: submit, cancel, list, attach."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import psij
from psij import InvalidJobException, JobState

from hybrid_parsl.kubernetes_psij import names
from hybrid_parsl.kubernetes_psij.answers import ApiError
from hybrid_parsl.kubernetes_psij.api import Api, path
from hybrid_parsl.kubernetes_psij.checks import check_cluster, check_plan
from hybrid_parsl.kubernetes_psij.creating import (
    create_inputs,
    create_or_adopt,
    refusal,
    submit_exception,
)
from hybrid_parsl.kubernetes_psij.finishing import fetch_log, gone_status
from hybrid_parsl.kubernetes_psij.follower import JobFollower
from hybrid_parsl.kubernetes_psij.manifests import Collection, collection_of, plan_job
from hybrid_parsl.kubernetes_psij.tracking import TrackedJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from psij import Job, JobSpec, JobStatus

    from hybrid_parsl.kubernetes_psij.checks import Check
    from hybrid_parsl.kubernetes_psij.config import KubernetesExecutorConfig
    from hybrid_parsl.kubernetes_psij.manifests import JobPlan
    from hybrid_parsl.kubernetes_psij.names import NativeId

logger = logging.getLogger(__name__)

_ABSENT = 404
_INVALID = (400, 404, 413, 422)
_NOTHING = Collection(None, None, {}, None)


class ClusterJobs:
    """The jobs of one cluster.

    Parameters
    ----------
    config
        How to reach it.
    report
        Called with a job and each new status of it.

    Raises
    ------
    ConfigurationError
        The Kubernetes client is not installed, or the cluster's configuration cannot be used.
    """

    def __init__(
        self, config: KubernetesExecutorConfig, report: Callable[[Job, JobStatus], None]
    ) -> None:
        self._config = config
        self._report = report
        self._api = Api(config)
        self._follower = JobFollower(self._api, config, report)

    def submit(self, job: Job) -> None:
        """Create a job, or find the one that its key names.

        Raises
        ------
        InvalidJobException
            It can never run as it is described.
        SubmitException
            The cluster did not take it this time.
        """
        options = self._config.options.for_job(job.spec)
        key = options.key or job.id
        plan = plan_job(job.spec, options, options.namespace or self._api.namespace, key)
        tracked = TrackedJob(plan.native_id, job, plan.collection)
        job._native_id = str(plan.native_id)  # noqa: SLF001 - PSI/J's own way
        try:
            self._create(plan, key, tracked)
        except ApiError as error:
            if error.status in _INVALID:
                raise InvalidJobException(refusal(error, plan.native_id)) from error
            raise submit_exception(error) from error

    def cancel(self, job: Job) -> None:
        """Delete a job that has not ended.

        Raises
        ------
        SubmitException
            The cluster could not be told.
        """
        tracked = self._follower.find(job)
        if tracked is None:
            return
        with tracked.lock:
            if tracked.finishing:
                return
            tracked.canceled = True
        native_id, main = tracked.native_id, tracked.main_pod
        if main is not None and main.running and not tracked.collection.is_empty:
            fetch_log(self._api, native_id.namespace, main.name, tracked.collection)
        try:
            was_there = self._api.delete(
                native_id.kind, native_id.namespace, native_id.name, "Foreground"
            )
        except ApiError as error:
            tracked.canceled = False
            raise submit_exception(error) from error
        if not was_there:
            self._follower.gone(tracked, was_seen=True)

    def list(self) -> list[str]:
        """Return the ids of all Jobs and MPIJobs in the namespace but those that others control.

        Raises
        ------
        SubmitException
            The cluster did not answer.
        """
        found: list[str] = []
        for kind in (names.JOB, names.MPI_JOB):
            try:
                for thing in self._api.items(path(kind, self._api.namespace)):
                    metadata = thing["metadata"]
                    owners = metadata.get("ownerReferences", [])
                    if not any(each.get("controller") for each in owners):
                        native_id = names.NativeId(kind, metadata["namespace"], metadata["name"])
                        found.append(str(native_id))
            except ApiError as error:
                if kind == names.MPI_JOB and error.status == _ABSENT:
                    continue  # no MPI Operator, no MPIJobs
                raise submit_exception(error) from error
        return found

    def attach(self, job: Job, native_id: str) -> None:
        """Follow a job that is there.

        Raises
        ------
        InvalidJobException
            `job` is not new, or `native_id` is none of a job made through PSI/J.
        SubmitException
            The cluster did not answer.
        """
        if job.status.state != JobState.NEW:
            message = "Only a new job can be attached"
            raise InvalidJobException(message)
        parsed = _parsed(native_id)
        tracked = TrackedJob(parsed, job, self._collection(job, parsed))
        job._native_id = native_id  # noqa: SLF001 - PSI/J's own way
        try:
            self._attach(tracked)
        except ApiError as error:
            self._follower.forget(tracked)
            raise submit_exception(error) from error

    def state(self, native_id: str) -> str | None:
        """Return PSI/J's name of the state of a job; None if it is not in the cluster any more.

        One that is being deleted before it has ended is canceled: it will never end otherwise.

        Raises
        ------
        InvalidJobException
            `native_id` is no id of a job.
        SubmitException
            The cluster did not answer.
        """
        parsed = _parsed(native_id)
        tracked = TrackedJob(parsed, psij.Job(), _NOTHING)
        query = {"labelSelector": f"{names.JOB_LABEL}={parsed.name}"}
        try:
            thing = self._api.read(parsed.kind, parsed.namespace, parsed.name)
            tracked.see_job(thing)
            for pod in self._api.items(path(names.POD, parsed.namespace), query):
                tracked.see_pod("ADDED", pod)
        except ApiError as error:
            if error.status == _ABSENT:
                return None
            raise submit_exception(error) from error
        if "deletionTimestamp" in thing["metadata"] and not tracked.has_ended:
            return "CANCELED"
        return tracked.state

    def check(self, spec: JobSpec | None) -> tuple[Check, ...]:
        """Return what was found out about the cluster, and whether it would take a job.

        Raises
        ------
        InvalidJobException
            The job can never run as it is described.
        """
        found = check_cluster(self._api, self._api.namespace)
        if spec is not None and found[0].is_fine:
            options = self._config.options.for_job(spec)
            namespace = options.namespace or self._api.namespace
            plan = plan_job(spec, options, namespace, options.key or "check")
            found.append(check_plan(self._api, plan))
        return tuple(found)

    def close(self) -> None:
        """Follow nothing more, and end all threads."""
        self._api.stop()
        self._follower.close()
        self._api.close()

    def _create(self, plan: JobPlan, key: str, tracked: TrackedJob) -> None:
        """Create what `plan` says and follow it.

        Raises
        ------
        ApiError
            The cluster did not take it.
        InvalidJobException
            There is another task's job of that name.
        """
        self._follower.follow(tracked)
        try:
            made, is_new = create_or_adopt(self._api, plan, key, self._config.retry_s)
            create_inputs(self._api, plan, made)
        except BaseException:
            self._follower.forget(tracked)
            raise
        self._follower.created(tracked, made)
        if not is_new:
            logger.info("%s was there already", plan.native_id)
            self._follower.replay(tracked, made)

    def _attach(self, tracked: TrackedJob) -> None:
        """Follow a job that is there.

        Raises
        ------
        ApiError
            The cluster did not answer.
        InvalidJobException
            It was not made through PSI/J.
        """
        native_id = tracked.native_id
        try:
            thing = self._api.read(native_id.kind, native_id.namespace, native_id.name)
        except ApiError as error:
            if error.status != _ABSENT:
                raise
            self._report(tracked.job, gone_status(tracked, was_seen=False))
            return
        if thing["metadata"].get("labels", {}).get(names.MANAGED_BY) != names.MANAGER:
            message = f"{native_id} was not made through PSI/J: it cannot be followed"
            raise InvalidJobException(message)
        self._follower.follow(tracked)
        self._follower.created(tracked, thing)
        self._follower.replay(tracked, thing)

    def _collection(self, job: Job, native_id: NativeId) -> Collection:
        """Return what is wanted of the log of an attached job."""
        if job.spec is None:
            return _NOTHING
        options = self._config.options.for_job(job.spec)
        return collection_of(job.spec, options, native_id.name)


def _parsed(native_id: str) -> NativeId:
    """Read the id of a job.

    Raises
    ------
    InvalidJobException
        It is none.
    """
    try:
        return names.NativeId.parse(native_id)
    except ValueError as error:
        raise InvalidJobException(str(error)) from error
