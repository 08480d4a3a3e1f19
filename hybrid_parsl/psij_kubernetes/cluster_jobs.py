"""All that the executor does: submit, cancel, list, attach."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from psij import InvalidJobException, JobState, SubmitException

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.answers import ApiError
from hybrid_parsl.psij_kubernetes.api import Api
from hybrid_parsl.psij_kubernetes.checks import check_cluster, check_plan
from hybrid_parsl.psij_kubernetes.creating import (
    create_inputs,
    create_or_adopt,
    submission_error,
    submit_exception,
)
from hybrid_parsl.psij_kubernetes.finishing import fetch_log, gone_status
from hybrid_parsl.psij_kubernetes.follower import JobFollower
from hybrid_parsl.psij_kubernetes.inquiries import check_manager, ids_of_jobs, parsed_id, state_of
from hybrid_parsl.psij_kubernetes.manifests import NOTHING, collection_of, plan_job
from hybrid_parsl.psij_kubernetes.tracking import TrackedJob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psij import Job, JobSpec, JobStatus

    from hybrid_parsl.psij_kubernetes.checks import Check
    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.manifests import Collection, JobPlan
    from hybrid_parsl.psij_kubernetes.names import NativeId

logger = logging.getLogger(__name__)

_ABSENT = 404
_LAST_LOOK_S = 5.0
"""How long a cancellation waits for a look at the log that is under way."""


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
        plan, key = self._plan(job)
        tracked = TrackedJob(plan.native_id, job, plan.collection)
        job._native_id = str(plan.native_id)  # noqa: SLF001 - PSI/J's own way
        try:
            self._create(plan, key, tracked)
        except ApiError as error:
            raise submission_error(error, plan.native_id) from error

    def planned_id(self, job: Job) -> str | None:
        """Return the id that `submit` gives to a job; None if it can never run."""
        try:
            return str(self._plan(job)[0].native_id)
        except InvalidJobException:
            return None

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
            if tracked.uid is None:  # it is being submitted: that goes on with its cancellation
                return
        self._cancel(tracked)

    def list(self) -> list[str]:
        """Return the ids of all Jobs and MPIJobs in the namespace but those that others control.

        Raises
        ------
        SubmitException
            The cluster did not answer.
        """
        try:
            return ids_of_jobs(self._api, self._api.namespace)
        except ApiError as error:
            raise submit_exception(error) from error

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
        parsed = parsed_id(native_id)
        tracked = TrackedJob(parsed, job, self._collection(job, parsed))
        job._native_id = native_id  # noqa: SLF001 - PSI/J's own way
        try:
            self._attach(tracked)
        except ApiError as error:
            raise submit_exception(error) from error

    def state(self, native_id: str) -> str | None:
        """Return PSI/J's name of the state of a job; None if it is not in the cluster any more.

        Raises
        ------
        InvalidJobException
            `native_id` is no id of a job.
        SubmitException
            The cluster did not answer.
        """
        try:
            return state_of(self._api, parsed_id(native_id))
        except ApiError as error:
            raise submit_exception(error) from error

    def check(self, spec: JobSpec | None) -> tuple[Check, ...]:
        """Return what was found out about the cluster, and whether it would take a job.

        Raises
        ------
        InvalidJobException
            The job can never run as it is described.
        """
        plan = None
        if spec is not None:
            options = self._config.options.for_job(spec)
            namespace = options.namespace or self._api.namespace
            plan = plan_job(spec, options, namespace, options.key or "check")
        needs_mpi = plan is None or plan.native_id.kind == names.MPI_JOB
        where = plan.native_id.namespace if plan else self._api.namespace
        found = check_cluster(self._api, where, needs_mpi=needs_mpi)
        if plan is not None and all(check.is_fine is not False for check in found[:3]):
            found.append(check_plan(self._api, plan))
        return tuple(found)

    def close(self) -> None:
        """Follow nothing more, and end all threads."""
        self._api.stop()
        self._follower.close()
        self._api.close()

    def _plan(self, job: Job) -> tuple[JobPlan, str]:
        """Return what to create for a job, and the key of its task."""
        options = self._config.options.for_job(job.spec)
        key = options.key or job.id
        return plan_job(job.spec, options, options.namespace or self._api.namespace, key), key

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
            self._create_inputs(plan, made, is_new=is_new)
            pods = [] if is_new else self._api.pods_of(plan.native_id)
        except BaseException:
            self._follower.forget(tracked)
            raise
        if not is_new:
            logger.info("%s was there already", plan.native_id)
        self._be_there(tracked, made, pods)

    def _create_inputs(self, plan: JobPlan, made: dict[str, Any], *, is_new: bool) -> None:
        """Create the inputs of the job `made`; one that is new is worth nothing without them.

        Raises
        ------
        ApiError
            They cannot be created.
        """
        try:
            create_inputs(self._api, plan, made)
        except ApiError:
            if is_new:
                with contextlib.suppress(ApiError):  # the next try adopts it, and makes them
                    self._api.delete(plan.native_id, made["metadata"]["uid"], "Background")
            raise

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
            self._follower.follow(tracked)  # first: what happens after it was read is not missed
            thing = self._api.read(native_id.kind, native_id.namespace, native_id.name)
            check_manager(thing, native_id)
            pods = self._api.pods_of(native_id)
        except BaseException as error:
            self._follower.forget(tracked)
            if not (isinstance(error, ApiError) and error.status == _ABSENT):
                raise
            self._report(tracked.job, gone_status(tracked, was_seen=False))
        else:
            self._be_there(tracked, thing, pods)

    def _be_there(
        self, tracked: TrackedJob, thing: dict[str, Any], pods: Sequence[dict[str, Any]]
    ) -> None:
        """Take in a job that is in the cluster; one that was canceled meanwhile goes at once."""
        self._follower.created(tracked, thing, pods)
        if tracked.canceled:
            try:
                self._cancel(tracked)
            except SubmitException as error:
                logger.warning("%s was canceled and goes on: %s", tracked.native_id, error)

    def _cancel(self, tracked: TrackedJob) -> None:
        """Delete a job after a look at its log.

        Raises
        ------
        SubmitException
            The cluster could not be told.
        """
        main, wanted = tracked.main_pod, tracked.collection
        if (
            main is not None
            and main.running
            and not wanted.is_empty
            and tracked.log_lock.acquire(timeout=_LAST_LOOK_S)
        ):
            try:
                fetch_log(self._api, tracked.native_id.namespace, main.name, wanted)
            finally:
                tracked.log_lock.release()
        try:
            was_there = self._api.delete(tracked.native_id, tracked.uid or "", "Foreground")
        except ApiError as error:
            self._follower.not_canceled(tracked)
            raise submit_exception(error) from error
        if not was_there:
            self._follower.gone(tracked)

    def _collection(self, job: Job, native_id: NativeId) -> Collection:
        """Return what is wanted of the log of an attached job."""
        if job.spec is None:
            return NOTHING
        options = self._config.options.for_job(job.spec)
        return collection_of(job.spec, options, native_id.name)
