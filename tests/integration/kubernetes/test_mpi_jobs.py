"""MPIJobs of two workers: our image, a real sshd on each, and a real mpirun across them."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import psij
import pytest
from psij import Job, JobAttributes, JobSpec, JobState, ResourceSpecV1
from waiting import PATIENCE_S

from hybrid_parsl.psij_kubernetes import JobOptions, KubernetesExecutorConfig

PATIENCE = timedelta(seconds=PATIENCE_S)
PROGRAM = """
import json, os, socket, sys
from mpi4py import MPI
world = MPI.COMM_WORLD
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
mine = [socket.gethostname(), os.getuid(), status["CapEff"].strip()]
ranks = world.allgather(mine)
open(f"rank-{world.rank}", "w").write(json.dumps(mine))
if world.rank == 0: print(json.dumps(ranks))
"""


@pytest.fixture(scope="module")
def executor(kubernetes, kubernetes_image):
    options = JobOptions(
        image=kubernetes_image,
        image_pull_policy="Never",
        grace_s=1,
        restricted=True,
        requests={"cpu": "100m", "memory": "64Mi"},
    )
    config = KubernetesExecutorConfig(kubeconfig=kubernetes.kubeconfig, options=options)
    executor = psij.JobExecutor.get_instance("kubernetes", config=config)
    yield executor
    executor.close()


def ranks(tmp_path, words, **custom):
    attributes = JobAttributes(
        duration=timedelta(seconds=300),
        custom_attributes={f"kubernetes.{name}": value for name, value in custom.items()},
    )
    return Job(
        JobSpec(
            words[0], words[1:], name="ranks", launcher="mpirun", directory="/home/mpiuser/run",
            stdout_path=tmp_path / "out", stderr_path=tmp_path / "err", attributes=attributes,
            resources=ResourceSpecV1(node_count=2, processes_per_node=2),
        )
    )  # fmt: skip


def test_ranks_on_two_workers(kubernetes, executor, tmp_path):
    words = ["python", "-c", PROGRAM]
    job = ranks(tmp_path, words, outputs={"rank-*": tmp_path / "told"})
    executor.submit(job)
    status = job.wait(PATIENCE)
    assert status.state == JobState.COMPLETED, (status, (tmp_path / "err").read_text())
    found = json.loads((tmp_path / "out").read_text())
    name = job.native_id.rpartition("/")[2]
    hosts = [f"{name}-worker-{number}" for number in (0, 0, 1, 1)]
    assert [host for host, _, _ in found] == hosts
    assert {(uid, capabilities) for _, uid, capabilities in found} == {(1000, "0" * 16)}
    # files come back from the workers, not only from the launcher
    told = [json.loads((tmp_path / "told" / f"rank-{rank}").read_text()) for rank in range(4)]
    assert told == found
    deadline = time.monotonic() + PATIENCE_S
    while name in (left := kubernetes.kubectl("get", "mpijobs,jobs,pods,secrets", "-o", "name")):
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def test_a_rank_that_fails_fails_the_job_with_its_last_words(executor, tmp_path):
    job = ranks(tmp_path, ["sh", "-c", "echo last words of $PMI_RANK >&2; exit 7"])
    executor.submit(job)
    status = job.wait(PATIENCE)
    assert (status.state, status.exit_code) == (JobState.FAILED, 7)
    assert "| last words of " in status.message


def test_a_worker_that_somebody_deletes_is_told(kubernetes, executor, tmp_path):
    job = ranks(tmp_path, ["sleep", "300"])
    executor.submit(job)
    job.wait(PATIENCE, [JobState.ACTIVE])
    name = job.native_id.rpartition("/")[2]
    time.sleep(2)  # until all ranks sleep
    kubernetes.kubectl("delete", "pod", f"{name}-worker-1", "--wait=false")
    begun = time.monotonic()
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert status.message.startswith(f"{name}-worker-1: PodDeleted: the pod was deleted")
    assert time.monotonic() - begun < 60
    kubernetes.kubectl("delete", "mpijob", name)


def test_cancel_leaves_no_pod(kubernetes, executor, tmp_path):
    job = ranks(tmp_path, ["sleep", "300"])
    executor.submit(job)
    status = job.wait(PATIENCE, [JobState.ACTIVE])
    assert status.state == JobState.ACTIVE, status.message
    job.cancel()
    status = job.wait(PATIENCE)
    assert status.state == JobState.CANCELED, status.message
    name = job.native_id.rpartition("/")[2]
    of_job = ("-l", f"training.kubeflow.org/job-name={name}", "-o", "name")
    assert not kubernetes.kubectl("get", "pods", *of_job)
    assert name not in kubernetes.kubectl("get", "mpijobs,jobs,secrets,services", "-o", "name")


def test_a_quota_that_a_job_itself_would_fill_is_told(kubernetes, executor, tmp_path):
    kubernetes.kubectl("create", "namespace", "small")
    kubernetes.kubectl("create", "quota", "few", "--hard=pods=2", "--namespace", "small")
    job = ranks(tmp_path, ["true"], namespace="small")
    executor.submit(job)
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert status.message.startswith("QuotaExceeded: ")
    assert "exceeded quota: few" in status.message
    kubernetes.kubectl("delete", "namespace", "small", limit_s=120)


def test_a_worker_that_can_never_be_made_is_told(executor, tmp_path):
    job = ranks(tmp_path, ["true"], pod={"dnsPolicy": "Nowhere"})
    executor.submit(job)
    begun = time.monotonic()
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert status.message.startswith("FailedCreate: worker pod created failed: ")
    assert "spec.dnsPolicy: Unsupported value" in status.message
    assert time.monotonic() - begun < 30


def test_ranks_in_the_launcher_too_and_shared_memory_for_them(executor, tmp_path):
    program = PROGRAM.replace("mine = [", "mine = [os.statvfs('/dev/shm').f_blocks, ")
    job = ranks(
        tmp_path,
        ["python", "-c", program],
        outputs={"rank-*": tmp_path / "told"},
        run_launcher_as_worker=True,
    )
    executor.submit(job)
    status = job.wait(PATIENCE)
    assert status.state == JobState.COMPLETED, (status, (tmp_path / "err").read_text())
    found = json.loads((tmp_path / "out").read_text())
    name = job.native_id.rpartition("/")[2]
    assert [host for _, host, *_ in found] == [f"{name}-launcher"] * 2 + [f"{name}-worker-0"] * 2
    # a kubelet older than 1.22 gives a memory volume half of the node's memory
    assert all(4096 * blocks >= (64 + 2 * 8) * 2**20 for blocks, *_ in found)
    told = {path.name: json.loads(path.read_text()) for path in (tmp_path / "told").iterdir()}
    assert told == {f"rank-{number}": mine for number, mine in enumerate(found)}
