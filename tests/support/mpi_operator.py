"""A stand-in for the Kubeflow MPI Operator, for tests: it keeps the operator's documented contract.

    python mpi_operator.py KUBECONFIG

The operator itself cannot be had where the tests run. For an MPIJob J of ``kubeflow.org/v2beta1``
there are, all controlled by it: a headless Service J, a ConfigMap J-config with the host file, a
Secret J-ssh with a key pair, Pods J-worker-N, and, when these are ready, a Job J-launcher whose end
is that of J. As with the operator, the time to live is the launcher's only, a worker that is gone
is made anew while the launcher runs, and a job that is being deleted is left to the garbage
collector. Suspension and gang scheduling are left out.
"""

from __future__ import annotations

import copy
import json
import logging
import sys
import time
from datetime import UTC, datetime

import mpi_job_parts as parts
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from object_schemas import MPI_JOB

logger = logging.getLogger(__name__)

GROUP, VERSION, PLURAL = "kubeflow.org", "v2beta1", "mpijobs"
_PAUSE_S = 0.2
_CONFLICT, _ABSENT = 409, 404
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "MPIJob", "plural": PLURAL, "singular": "mpijob"},
        "versions": [
            {
                "name": VERSION,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": MPI_JOB},
            }
        ],
    },
}


class MpiOperator:
    """Brings the objects of a cluster to what its MPIJobs ask for, again and again.

    Parameters
    ----------
    api
        The cluster.
    """

    def __init__(self, api):
        self._core = client.CoreV1Api(api)
        self._batch = client.BatchV1Api(api)
        self._custom = client.CustomObjectsApi(api)
        self._definitions = client.ApiextensionsV1Api(api)

    def install(self):
        """Make the cluster know MPIJobs."""
        _ensure(self._definitions.create_custom_resource_definition, DEFINITION)

    def look_at_all(self):
        """Do what each MPIJob asks for now."""
        found = self._custom.list_cluster_custom_object(GROUP, VERSION, PLURAL)["items"]
        for job in found:
            if "deletionTimestamp" in job["metadata"] or _is_settled(job):
                continue
            try:
                self._look_at(job)
            except ApiException as error:
                if error.status not in (_CONFLICT, _ABSENT):  # it changes, or goes, meanwhile
                    logger.warning("%s: %s", job["metadata"]["name"], error)
            except ValueError:  # what the client finds wrong with it; others do not wait for that
                logger.exception("%s", job["metadata"]["name"])

    def _look_at(self, job):
        name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        before = copy.deepcopy(job.get("status", {}))
        status = job.setdefault("status", {})
        status.setdefault("startTime", _now())
        _set_condition(status, "Created", "MPIJobCreated", f"MPIJob {name} is created.")
        launcher = _read(self._batch.read_namespaced_job, f"{name}-launcher", namespace)
        if _is_finished(launcher):
            self._finish(job, launcher)
        else:
            workers = self._make_parts(job)
            if launcher is None and all(map(_is_ready, workers)):
                self._make_launcher(job)
            elif launcher is not None and self._runs(launcher, workers):
                words = f"MPIJob {name} is running."
                _set_condition(status, "Running", "MPIJobRunning", words)
        if status != before:
            self._custom.replace_namespaced_custom_object_status(
                GROUP, VERSION, namespace, PLURAL, name, job
            )

    def _make_parts(self, job):
        """Make what is missing but the launcher; return the workers."""
        name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        core = self._core
        if _read(core.read_namespaced_service, name, namespace) is None:
            _ensure(core.create_namespaced_service, parts.service(job), namespace)
        if _read(core.read_namespaced_config_map, f"{name}-config", namespace) is None:
            _ensure(core.create_namespaced_config_map, parts.config_map(job), namespace)
        if _read(core.read_namespaced_secret, f"{name}-ssh", namespace) is None:
            _ensure(core.create_namespaced_secret, parts.secret(job), namespace)
        workers = []
        for number in range(parts.n_workers(job)):
            worker = _read(core.read_namespaced_pod, f"{name}-worker-{number}", namespace)
            if worker is None:
                try:
                    _ensure(core.create_namespaced_pod, parts.worker(job, number), namespace)
                except ApiException as error:
                    self._warn(job, "worker", error)
                    raise
            workers.append(worker)
        return workers

    def _make_launcher(self, job):
        """Make the Job of the launcher."""
        launcher, namespace = parts.launcher_job(job), job["metadata"]["namespace"]
        try:
            _ensure(self._batch.create_namespaced_job, launcher, namespace)
        except ApiException as error:
            self._warn(job, "launcher", error)
            raise

    def _warn(self, job, role, error):
        """Tell, as an event, that a pod cannot be made; it is tried again.

        The operator says so in its words for each try, one event that is counted up.
        """
        event = parts.warning(job, f"{role} pod created failed: {_words(error)}", _now())
        try:
            self._core.create_namespaced_event(job["metadata"]["namespace"], event)
        except ApiException as again:
            if again.status != _CONFLICT:
                raise
            name, namespace = event["metadata"]["name"], job["metadata"]["namespace"]
            seen = {"lastTimestamp": event["lastTimestamp"]}
            self._core.patch_namespaced_event(name, namespace, seen)

    def _runs(self, launcher, workers):
        """Return whether the launcher and all workers run."""
        selector = f"controller-uid={launcher.metadata.uid}"
        pods = self._core.list_namespaced_pod(
            launcher.metadata.namespace, label_selector=selector
        ).items
        return any(map(_is_running, pods)) and all(map(_is_running, workers))

    def _finish(self, job, launcher):
        """Take the launcher's end for the job's, and remove the workers."""
        name, status = job["metadata"]["name"], job["status"]
        end = next(each for each in launcher.status.conditions if each.type in parts.ENDS)
        if end.type == "Complete":
            words = f"MPIJob {name} successfully completed."
            _set_condition(status, "Succeeded", "MPIJobSucceeded", words)
        else:
            reason, message = end.reason or "MPIJobFailed", end.message or "the launcher failed"
            if reason == "BackoffLimitExceeded":
                reason, message = f"{reason}/", f"{message}: "  # and what its last pod says
            _set_condition(status, "Failed", reason, message)
        for each in status["conditions"]:
            if each["type"] == "Running":
                each["status"] = "False"
        status["completionTime"] = _now()
        policy = job["spec"].get("runPolicy", {}).get("cleanPodPolicy", "None")
        for number in range(parts.n_workers(job)):
            self._clean(f"{name}-worker-{number}", job["metadata"]["namespace"], policy)

    def _clean(self, name, namespace, policy):
        """Delete a worker if the policy says so; ``Running`` keeps one that has ended."""
        worker = _read(self._core.read_namespaced_pod, name, namespace)
        if worker is None or policy == "None":
            return
        if policy == "All" or worker.status.phase in ("Running", "Pending"):
            self._core.delete_namespaced_pod(name, namespace)


def _read(call, name, namespace):
    """Return an object; None if it is not there."""
    try:
        return call(name, namespace)
    except ApiException as error:
        if error.status != _ABSENT:
            raise
        return None


def _ensure(create, body, *namespace):
    """Create an object unless it is there."""
    try:
        create(*namespace, body)
    except ApiException as error:
        if error.status != _CONFLICT:
            raise


def _words(error):
    """Return what the API server says."""
    return json.loads(error.body)["message"]


def _is_settled(job):
    return bool(job.get("status", {}).get("completionTime"))


def _is_finished(launcher):
    conditions = (launcher and launcher.status.conditions) or []
    return any(each.type in parts.ENDS and each.status == "True" for each in conditions)


def _is_ready(pod):
    conditions = (pod and pod.status.conditions) or []
    return any(each.type == "Ready" and each.status == "True" for each in conditions)


def _is_running(pod):
    return pod is not None and pod.status.phase == "Running"


def _set_condition(status, kind, reason, message):
    conditions = status.setdefault("conditions", [])
    if any(each["type"] == kind for each in conditions):
        return
    conditions.append(
        {
            "type": kind, "status": "True", "reason": reason, "message": message,
            "lastTransitionTime": _now(), "lastUpdateTime": _now(),
        }
    )  # fmt: skip


def _now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def main():
    """Look at all MPIJobs until ended."""
    operator = MpiOperator(config.new_client_from_config(sys.argv[1]))
    operator.install()
    while True:
        try:
            operator.look_at_all()
        except Exception:  # the API server may be away, or not know MPIJobs yet
            logger.exception("again")
            time.sleep(1)
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    main()
