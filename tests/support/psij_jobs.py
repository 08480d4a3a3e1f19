"""PSI/J jobs for tests of the executor, and pods that do what a test says."""

from __future__ import annotations

from datetime import timedelta

from psij import Job, JobSpec, ResourceSpecV1
from waiting import PATIENCE_S

PATIENCE = timedelta(seconds=PATIENCE_S)


def make_job(*words, attributes=None, **more):
    custom = {f"kubernetes.{name}": value for name, value in (attributes or {}).items()}
    spec = JobSpec(executable=words[0], arguments=list(words[1:]), **more)
    spec.attributes.custom_attributes = custom
    return Job(spec)


def shell(text, **more):
    return make_job("sh", "-c", text, **more)


def run(executor, job):
    executor.submit(job)
    status = job.wait(PATIENCE)
    assert status is not None, job
    return status


def history(job):
    states = []
    job.set_job_status_callback(lambda _, status: states.append(status.state.name))
    return states


def held_job(executor, pods, **attributes):
    """Submit a job whose pod does what the test says, and return it with its Job."""
    pods.hold.add("held")
    job = make_job("true", name="held", attributes=attributes)
    executor.submit(job)
    return job, pods.store.all("jobs")[-1]


def held_ranks(executor, pods):
    """Do the same with two ranks on two workers."""
    pods.hold.add("held")
    resources = ResourceSpecV1(node_count=2, processes_per_node=1)
    job = make_job("true", name="held", launcher="mpirun", resources=resources)
    executor.submit(job)
    return job, pods.store.all("mpijobs")[-1]


def unschedulable(message):
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {"conditions": [{**condition, "message": message}]}


def warn(api, thing, reason, message, **changes):
    """Let a controller warn of something about a Job or MPIJob, or tell another event."""
    about = {"kind": "Job", "name": thing["metadata"]["name"]}
    api.store.put(
        "events",
        {
            "metadata": {"name": f"e{api.store.version}", "namespace": "default"},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "involvedObject": about,
            "lastTimestamp": "2999-01-01T00:00:00Z",
            **changes,
        },
    )
