"""Submit, cancel, attach, list and query the jobs of one cluster."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

from psij import InvalidJobException, Job, JobState, SubmitException

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.client import (
    NOT_FOUND,
    ApiClient,
    ApiError,
    Backoff,
    object_path,
)
from hybrid_parsl.psij_kubernetes.completion import deleted_status, fetch_log
from hybrid_parsl.psij_kubernetes.diagnostics import explain_rejection, true_conditions
from hybrid_parsl.psij_kubernetes.job_plan import NOTHING, collection_of, plan_job, secret_for
from hybrid_parsl.psij_kubernetes.preflight import check_cluster, check_plan
from hybrid_parsl.psij_kubernetes.tracked_job import FAILURE_CONDITIONS, TrackedJob
from hybrid_parsl.psij_kubernetes.tracker import JobTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psij import JobSpec, JobStatus

    from hybrid_parsl.psij_kubernetes.client import Object
    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.job_plan import Collection, JobPlan
    from hybrid_parsl.psij_kubernetes.names import NativeId
    from hybrid_parsl.psij_kubernetes.preflight import Check

logger = logging.getLogger(__name__)

_FORBIDDEN = 403
_INVALID = (400, 404, 413, 422)
_ALREADY_EXISTS = "AlreadyExists"
_LOG_LOCK_TIMEOUT_S = 5.0
"""Seconds that a cancellation waits for a log fetch under way."""


class ClusterJobs:
    """Operations on the jobs of one cluster.

    Parameters
    ----------
    config
        Cluster, timeouts and defaults.
    report
        Called with a job and each of its new statuses.

    Raises
    ------
    ConfigurationError
        If the official client is not installed or the configuration is invalid.
    """

    def __init__(
        self, config: KubernetesExecutorConfig, report: Callable[[Job, JobStatus], None]
    ) -> None:
        self._config = config
        self._report = report
        self._api = ApiClient(config)
        self._tracker = JobTracker(self._api, config, report)

    def submit(self, job: Job) -> None:
        """Create a job, or adopt the existing job with its key.

        Raises
        ------
        InvalidJobException
            If the job is invalid.
        SubmitException
            If the cluster did not accept it.
        """
        plan, key = self._plan(job)
        tracked = TrackedJob(plan.native_id, job, plan.collection)
        job._native_id = str(plan.native_id)  # noqa: SLF001 - as PSI/J executors do
        try:
            self._create(plan, key, tracked)
        except ApiError as error:
            raise submission_error(error, plan.native_id) from error

    def planned_id(self, job: Job) -> str | None:
        """Return the id that `submit` will assign to a job; None if the job is invalid."""
        try:
            return str(self._plan(job)[0].native_id)
        except InvalidJobException:
            return None

    def cancel(self, job: Job) -> None:
        """Delete a job unless it has ended.

        Raises
        ------
        SubmitException
            If the request failed.
        """
        tracked = self._tracker.find(job)
        if tracked is None:
            return
        with tracked.lock:
            if tracked.completing:
                return
            tracked.cancelled = True
            if tracked.uid is None:  # the submission under way will cancel it
                return
        self._cancel(tracked)

    def list(self) -> list[str]:
        """Return the ids of all Jobs and MPIJobs in the namespace without a controller.

        Raises
        ------
        SubmitException
            If the request failed.
        """
        try:
            return list_job_ids(self._api, self._api.namespace)
        except ApiError as error:
            raise submit_exception(error) from error

    def attach(self, job: Job, native_id: str) -> None:
        """Track an existing job.

        Raises
        ------
        InvalidJobException
            If `job` is not new, or `native_id` is not that of a job created through PSI/J.
        SubmitException
            If the request failed.
        """
        if job.status.state != JobState.NEW:
            message = f"Cannot attach a job in the state {job.status.state.name}; valid: NEW"
            raise InvalidJobException(message)
        parsed = parse_id(native_id)
        tracked = TrackedJob(parsed, job, self._collection(job, parsed))
        job._native_id = native_id  # noqa: SLF001 - as PSI/J executors do
        try:
            self._attach(tracked)
        except ApiError as error:
            raise submit_exception(error) from error

    def state(self, native_id: str) -> str | None:
        """Return the name of the `psij.JobState` of a job; None if it does not exist.

        Raises
        ------
        InvalidJobException
            If `native_id` is not a valid id.
        SubmitException
            If the request failed.
        """
        try:
            return query_state(self._api, parse_id(native_id))
        except ApiError as error:
            raise submit_exception(error) from error

    def check(self, spec: JobSpec | None) -> tuple[Check, ...]:
        """Check the cluster, and whether it would accept a job.

        Raises
        ------
        InvalidJobException
            If the job is invalid.
        """
        plan = None
        if spec is not None:
            options = self._config.options.for_job(spec)
            namespace = options.namespace or self._api.namespace
            plan = plan_job(spec, options, namespace, options.key or "check")
        needs_mpi = plan is None or plan.native_id.kind == names.MPI_JOB
        where = plan.native_id.namespace if plan else self._api.namespace
        found = check_cluster(self._api, where, needs_mpi=needs_mpi)
        if plan is not None and all(check.passed is not False for check in found[:3]):
            found.append(check_plan(self._api, plan))
        return tuple(found)

    def close(self) -> None:
        """Stop tracking and stop all threads."""
        self._api.stop()
        self._tracker.close()
        self._api.close()

    def _plan(self, job: Job) -> tuple[JobPlan, str]:
        """Return the plan of a job and the key of its task."""
        options = self._config.options.for_job(job.spec)
        key = options.key or job.id
        return plan_job(job.spec, options, options.namespace or self._api.namespace, key), key

    def _create(self, plan: JobPlan, key: str, tracked: TrackedJob) -> None:
        """Create or adopt the job of `plan` and track it.

        Raises
        ------
        ApiError
            If the cluster did not accept it.
        InvalidJobException
            If a job of another task has its name.
        """
        self._tracker.track(tracked)
        try:
            item, is_new = create_or_adopt(self._api, plan, key, self._config.retry_s)
            self._create_inputs(plan, item, is_new=is_new)
            pods = [] if is_new else self._api.pods_of(plan.native_id)
        except BaseException:
            self._tracker.forget(tracked)
            raise
        if not is_new:
            logger.info("adopted %s", plan.native_id)
            tracked.adopted_at = self._api.now().isoformat()
        self._on_created(tracked, item, pods)

    def _create_inputs(self, plan: JobPlan, item: Object, *, is_new: bool) -> None:
        """Create the inputs of a job; if that fails, delete the job if it is new.

        Raises
        ------
        ApiError
            If they cannot be created.
        """
        try:
            create_inputs(self._api, plan, item)
        except ApiError:
            if is_new:
                with contextlib.suppress(ApiError):  # the next submission adopts it
                    self._api.delete(plan.native_id, item["metadata"]["uid"], "Background")
            raise

    def _attach(self, tracked: TrackedJob) -> None:
        """Track an existing job.

        Raises
        ------
        ApiError
            If a request failed.
        InvalidJobException
            If it was not created through PSI/J.
        """
        native_id = tracked.native_id
        try:
            self._tracker.track(tracked)  # before reading: miss no event
            item = self._api.get(native_id.kind, native_id.namespace, native_id.name)
            check_manager(item, native_id)
            pods = self._api.pods_of(native_id)
            tracked.adopted_at = self._api.now().isoformat()
        except BaseException as error:
            self._tracker.forget(tracked)
            if not (isinstance(error, ApiError) and error.status == NOT_FOUND):
                raise
            self._report(tracked.job, deleted_status(tracked, was_observed=False))
        else:
            self._on_created(tracked, item, pods)

    def _on_created(self, tracked: TrackedJob, item: Object, pods: Sequence[Object]) -> None:
        """Record that a job exists; delete it if it was cancelled during its submission."""
        self._tracker.on_created(tracked, item, pods)
        if tracked.cancelled:
            try:
                self._cancel(tracked)
            except SubmitException as error:
                logger.warning("cannot cancel %s: %s", tracked.native_id, error)

    def _cancel(self, tracked: TrackedJob) -> None:
        """Fetch the log of a job and delete the job.

        Raises
        ------
        SubmitException
            If the request failed.
        """
        main, collection = tracked.main_pod, tracked.collection
        if (
            main is not None
            and main.running
            and not collection.is_empty
            and tracked.log_lock.acquire(timeout=_LOG_LOCK_TIMEOUT_S)
        ):
            try:
                fetch_log(self._api, tracked.native_id.namespace, main.name, collection)
            finally:
                tracked.log_lock.release()
        try:
            existed = self._api.delete(tracked.native_id, tracked.uid or "", "Foreground")
        except ApiError as error:
            self._tracker.on_cancel_failed(tracked)
            raise submit_exception(error) from error
        if not existed:
            self._tracker.on_deleted(tracked)

    def _collection(self, job: Job, native_id: NativeId) -> Collection:
        """Return the destinations of an attached job."""
        if job.spec is None:
            return NOTHING
        options = self._config.options.for_job(job.spec)
        return collection_of(job.spec, options, native_id.name)


def create_or_adopt(api: ApiClient, plan: JobPlan, key: str, retry_s: float) -> tuple[Object, bool]:
    """Return the Job or MPIJob in the cluster, and whether it was created by this call.

    An existing job of the same name and key is adopted. If it has failed or is being deleted, a
    new one replaces it once its pods have ended, which may take up to twice `retry_s` seconds.

    Raises
    ------
    ApiError
        If it cannot be created.
    InvalidJobException
        If a job of another task has its name.
    """
    native_id = plan.native_id
    backoff = Backoff()
    deadline = time.monotonic() + 2 * retry_s
    while True:
        try:
            return api.create(native_id.kind, native_id.namespace, plan.manifest), True
        except ApiError as error:
            if error.reason != _ALREADY_EXISTS:
                raise
            if time.monotonic() > deadline:
                message = f"the earlier {native_id} is still being deleted"
                raise ApiError(0, message) from error
        found = api.find(native_id)
        if found is not None:
            annotations = found["metadata"].get("annotations", {})
            if annotations.get(names.KEY_ANNOTATION) != names.key_digest(key):
                message = f"{native_id} already exists and belongs to another task than '{key}'"
                raise InvalidJobException(message)
            if "deletionTimestamp" not in found["metadata"]:
                if not any(name in true_conditions(found) for name in FAILURE_CONDITIONS):
                    return found, False
                api.delete(native_id, found["metadata"]["uid"], "Foreground")
        time.sleep(backoff.next_delay())


def create_inputs(api: ApiClient, plan: JobPlan, owner: Object) -> None:
    """Create the Secret with the inputs of a job, owned by the job; its pods wait for it.

    Raises
    ------
    ApiError
        If it cannot be created.
    """
    if plan.secret is None:
        return
    try:
        api.create("secret", plan.native_id.namespace, secret_for(owner, plan.secret))
    except ApiError as error:
        if error.reason != _ALREADY_EXISTS:
            raise


def submission_error(error: ApiError, native_id: NativeId) -> InvalidJobException | SubmitException:
    """Return the PSI/J exception for a failed submission."""
    if error.status in _INVALID:
        return InvalidJobException(explain_rejection(error, native_id))
    return submit_exception(error)


def submit_exception(error: ApiError) -> SubmitException:
    """Return the PSI/J exception for an API error."""
    transient = error.is_transient or (error.status == _FORBIDDEN and "quota" in error.message)
    return SubmitException(str(error), transient=transient)


def list_job_ids(api: ApiClient, namespace: str) -> list[str]:
    """Return the ids of all Jobs and MPIJobs in a namespace without a controller.

    Raises
    ------
    ApiError
        If the request failed.
    """
    found: list[str] = []
    for kind in (names.JOB, names.MPI_JOB):
        try:
            for item in api.list_objects(object_path(kind, namespace)):
                metadata = item["metadata"]
                owners = metadata.get("ownerReferences", [])
                if not any(each.get("controller") for each in owners):
                    found.append(str(names.NativeId(kind, namespace, metadata["name"])))
        except ApiError as error:
            if kind == names.JOB or error.status != NOT_FOUND:
                raise  # 404: no MPI Operator
    return found


def query_state(api: ApiClient, native_id: NativeId) -> str | None:
    """Return the name of the `psij.JobState` of a job; None if it does not exist.

    A job that is deleted before it has ended counts as cancelled.

    Raises
    ------
    ApiError
        If the request failed.
    """
    tracked = TrackedJob(native_id, Job(), NOTHING)
    item = api.find(native_id)
    if item is None:
        return None
    tracked.update_job(item)
    for pod in api.pods_of(native_id):
        tracked.update_pod("ADDED", pod)
    if "deletionTimestamp" in item["metadata"] and not tracked.has_ended:
        return "CANCELED"
    return tracked.state


def parse_id(native_id: str) -> NativeId:
    """Parse the id of a job.

    Raises
    ------
    InvalidJobException
        If it is not a valid id.
    """
    try:
        return names.NativeId.parse(native_id)
    except ValueError as error:
        raise InvalidJobException(str(error)) from error


def check_manager(item: Object, native_id: NativeId) -> None:
    """Check that a job was created through PSI/J.

    Raises
    ------
    InvalidJobException
        If it was not.
    """
    if item["metadata"].get("labels", {}).get(names.MANAGED_BY) != names.MANAGER:
        message = f"Cannot attach {native_id}: it was not created through PSI/J"
        raise InvalidJobException(message)
