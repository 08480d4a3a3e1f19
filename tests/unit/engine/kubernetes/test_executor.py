"""Tasks as jobs of a cluster: nothing of the driver's files is seen there."""

from __future__ import annotations

import json
import shutil
import sys
import time

import pytest
import rank_functions as functions
import yaml
from kubernetes_api import KubernetesApi
from pod_runner import PodRunner
from waiting import PATIENCE_S, wait_until

from hybrid_parsl.engine.jobs.kube_context import KubeContext
from hybrid_parsl.engine.jobs.orphans import (
    cancel_jobs,
    job_states,
    jobs_left,
    jobs_left_alone,
    words_for,
)
from hybrid_parsl.engine.jobs.record import JobRecord
from hybrid_parsl.engine.kubernetes.executor import KubernetesExecutor
from hybrid_parsl.engine.tasks.folders import TaskFolders
from hybrid_parsl.errors import (
    BackendUnavailableError,
    ConfigurationError,
    JobCancelledError,
    JobFailedError,
    JobRejectedError,
    JobsLeftError,
    RankFailedError,
    WalltimeExceededError,
)
from hybrid_parsl.tasks.folder import TaskFolder

TWO = {"num_nodes": 1, "ranks_per_node": 2}
OPTIONS = {"image": "image", "grace_s": 1}


@pytest.fixture
def api(tmp_path):
    server = KubernetesApi()
    runner = PodRunner(server, root=tmp_path / "pods")
    server.runner = runner
    yield server
    runner.close()
    server.stop()


@pytest.fixture
def make_executor(api, tmp_path, tmp_path_factory):
    made = []
    config = tmp_path_factory.mktemp("home") / "config"

    def make(**more):
        cluster = KubeContext(str(api.kubeconfig(config)), start_patience_s=0.5)
        values = {"python": sys.executable, "options": OPTIONS, **more}
        executor = KubernetesExecutor("mpi", tmp_path / "tasks", cluster, **values)
        executor.start()
        made.append(executor)
        return executor

    yield make
    for executor in made:
        executor.shutdown()


@pytest.fixture
def executor(make_executor):
    return make_executor()


def run(executor, function, *arguments, resources=TWO, **keywords):
    return executor.submit(function, resources, *arguments, **keywords).result(PATIENCE_S)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(("n_ranks", "plural"), [(1, "jobs"), (2, "mpijobs")])
def test_a_result_comes_back_through_the_log(api, executor, tmp_path, n_ranks, plural):
    expected = [(rank, n_ranks) for rank in range(n_ranks)]
    assert run(executor, functions.who, resources={"num_ranks": n_ranks}) == expected
    assert api.count("POST", f"/{plural}$") == 1
    (inside,) = (tmp_path / "pods").rglob("result.frame")
    assert inside.read_bytes() == (tmp_path / "tasks" / "who" / "result.frame").read_bytes()


def test_a_failure_comes_back_as_it_was(executor):
    with pytest.raises(RankFailedError) as caught:
        run(executor, functions.raise_on, 1)
    assert caught.value.rank == 1
    assert "ValueError: told to fail on 1" in caught.value.traceback


@pytest.mark.usefixtures("thorough")
def test_output_is_in_the_folder_of_the_task(executor, tmp_path):
    run(executor, functions.print_lines, 3)
    text = (tmp_path / "tasks" / "print_lines" / "stdout.log").read_text()
    assert [text.count(f"line {n} of rank {r}") for n in range(3) for r in range(2)] == [1] * 6


def test_a_job_that_cannot_start_says_why(api, executor):
    api.runner.hold.add("hybrid-parsl")
    future = executor.submit(functions.add, {"num_ranks": 1}, 1)
    (thing,) = api.store.all("jobs")
    api.runner.set_waiting(api.runner.make_pod(thing), "ErrImagePull", "manifest unknown")
    with pytest.raises(JobFailedError, match="ErrImagePull: manifest unknown"):
        future.result(PATIENCE_S)


def test_a_walltime_that_is_over_is_told_as_that(api, executor):
    api.runner.hold.add("hybrid-parsl")
    future = executor.submit(functions.add, {"num_ranks": 1, "walltime_s": 7}, 1)
    (thing,) = api.store.all("jobs")
    pod = api.runner.make_pod(thing)
    api.runner.end(pod, 137, reason="DeadlineExceeded")
    with pytest.raises(WalltimeExceededError):
        future.result(PATIENCE_S)


def test_words_in_the_log_are_no_walltime(api, executor):
    api.runner.hold.add("hybrid-parsl")
    future = executor.submit(functions.add, {"num_ranks": 1}, 1)
    (thing,) = api.store.all("jobs")
    pod = api.runner.make_pod(thing)
    api.logs[pod[1]] = b"the time limit of this solver\n"
    api.runner.end(pod, 3)
    with pytest.raises(JobFailedError) as caught:
        future.result(PATIENCE_S)
    assert not isinstance(caught.value, WalltimeExceededError)


@pytest.mark.usefixtures("thorough")
def test_a_refusal_is_told_and_what_may_pass_is_tried_again(api, executor):
    api.fail("POST", "/mpijobs", 422, message="Invalid value")
    with pytest.raises(JobRejectedError, match="Invalid value"):
        executor.submit(functions.add, TWO, 1)
    api.fail("POST", "/mpijobs", 403, message="exceeded quota: count")
    assert run(executor, functions.add, 1) == 1


def test_cancel_removes_the_job(api, executor):
    future = executor.submit(functions.sleep, TWO, 300)
    assert future.cancel()
    deadline = time.monotonic() + PATIENCE_S
    while api.store.all("mpijobs") or api.store.all("pods"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_job_that_takes_its_time_to_go_is_cancelled_all_the_same(api, make_executor, tmp_path):
    executor = make_executor()
    future = executor.submit(functions.sleep, TWO, 300)
    api.runner._tear_down = lambda *_: None
    executor._backend.close(patience_s=0.2)
    executor._backend = None
    with pytest.raises(JobCancelledError):
        future.result(PATIENCE_S)
    assert api.store.all("mpijobs")
    assert JobRecord.read(tmp_path / "tasks" / "sleep" / "job.json").ended == "CANCELED"


def leave(executor):
    """Leave an executor as a driver that is killed does: its jobs go on."""
    executor._backend._executor.close()
    executor._backend._closed = True
    executor._backend = None


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("knows", ["the id", "nothing"])
def test_the_next_driver_finds_the_job(api, make_executor, tmp_path, knows):
    first = make_executor()
    go = tmp_path / "go"
    first.submit(functions.wait_for, TWO, str(go))
    leave(first)
    record = tmp_path / "tasks" / "wait_for" / "job.json"
    if knows == "nothing":
        values = json.loads(record.read_text())
        record.write_text(json.dumps({**values, "job_id": None}))
    second = make_executor()
    future = second.submit(functions.wait_for, TWO, str(go))
    go.touch()
    assert future.result(PATIENCE_S) == 2
    assert len({query["metadata"]["uid"] for query in seen(api, "mpijobs")}) == 1
    assert JobRecord.read(record).ended == "COMPLETED"


@pytest.mark.usefixtures("thorough")
def test_the_next_driver_finds_a_job_that_has_ended(api, make_executor, tmp_path):
    api.fail("DELETE", "/jobs", 403)
    first = make_executor()
    assert run(first, functions.add, 1, resources={"num_ranks": 1}) == 1
    leave(first)
    folder = tmp_path / "tasks" / "add"
    for name in ("result.frame", "job.json"):
        (folder / name).unlink()
    shutil.rmtree(tmp_path / "pods")
    second = make_executor()
    assert run(second, functions.add, 1, resources={"num_ranks": 1}) == 1
    assert not (tmp_path / "pods").exists()


def test_states_and_cancel_know_the_cluster(api, make_executor, tmp_path):
    first = make_executor()
    first.submit(functions.sleep, TWO, 300)
    leave(first)
    states = [row["state"] for row in job_states(tmp_path / "tasks")]
    assert states[0] in ("QUEUED", "ACTIVE")
    (cancelled,) = cancel_jobs(tmp_path / "tasks")
    assert cancelled.startswith("mpijob/default/hybrid-parsl-sleep-")
    assert not api.store.all("mpijobs")


@pytest.mark.usefixtures("thorough")
def test_a_job_is_not_called_cancelled_while_the_server_is_away(api, make_executor, tmp_path):
    executor = make_executor()
    executor.submit(functions.sleep, TWO, 300)
    api.stop()
    executor._backend.close(patience_s=1)
    executor._backend = None
    api.restart()
    tasks = tmp_path / "tasks"
    record = JobRecord.read(tasks / "sleep" / "job.json")
    assert record.ended is None
    assert "could not be cancelled and may still run" in words_for(record)
    assert api.store.all("mpijobs")
    (row,) = job_states(tasks)
    assert row["cancel_asked"]
    assert row["cancel_error"]  # a thread may still be asking: these words can change
    assert cancel_jobs(tasks) == [record.job_id]
    assert not api.store.all("mpijobs")
    assert not jobs_left(tasks)


@pytest.mark.usefixtures("thorough")
def test_a_cancellation_that_the_server_does_not_take_is_an_error(api, make_executor, tmp_path):
    first = make_executor()
    first.submit(functions.sleep, TWO, 300)
    leave(first)
    api.fail("DELETE", "/mpijobs", 403, message="not allowed", times=100)
    tasks = tmp_path / "tasks"
    with pytest.raises(JobsLeftError, match=r"could not be cancelled and may still run: .*allowed"):
        cancel_jobs(tasks)
    api.faults.clear()
    assert len(cancel_jobs(tasks)) == 1
    assert not api.store.all("mpijobs")


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("has_inputs", [True, False])
@pytest.mark.parametrize("then", ["resume", "cancel"])
def test_a_driver_that_dies_before_it_knows_the_id(
    api, make_executor, tmp_path, monkeypatch, has_inputs, then
):
    class DriverIsKilled(BaseException):
        """Ends a driver without a chance to write anything."""

    def die(*_):
        raise DriverIsKilled

    first = make_executor()
    if has_inputs:
        take = first._backend._executor.submit
        monkeypatch.setattr(first._backend._executor, "submit", lambda job: (take(job), die()))
    else:
        monkeypatch.setattr("hybrid_parsl.psij_kubernetes.jobs.create_inputs", die)
    with pytest.raises(DriverIsKilled):
        first.submit(functions.add, TWO, 1)
    monkeypatch.undo()
    leave(first)
    tasks = tmp_path / "tasks"
    record = JobRecord.read(tasks / "add" / "job.json")
    assert (record.job_id, record.ended) == (None, None)
    (job,) = api.store.all("mpijobs")
    (row,) = job_states(tasks)
    assert row["id"] == f"mpijob/default/{job['metadata']['name']}"
    assert row["state"] in ("QUEUED", "ACTIVE", "COMPLETED")
    if then == "cancel":
        cancel_jobs(tasks)
    else:
        assert run(make_executor(), functions.add, 1) == 1
        assert len({thing["metadata"]["uid"] for thing in seen(api, "mpijobs")}) == 1
    if then == "resume" or not has_inputs:  # a job that has ended by itself is not cancelled
        wait_until(lambda: not api.store.all("mpijobs"))  # deleted after its end is reported


def seen(api, plural):
    return [json.loads(line)["object"] for _, _, _, line in api.store.history[plural]]


@pytest.mark.usefixtures("thorough")
def test_preview_is_the_manifest_that_is_sent(api, executor):
    text = executor.preview("add", TWO).documents["add.yaml"].partition("\n---")[0]
    run(executor, functions.add, 1)
    (first, *_) = seen(api, "mpijobs")
    shown = yaml.safe_load(text)
    assert shown["spec"] == json.loads(
        json.dumps(first["spec"]).replace(secret(first), secret(shown))
        .replace(first["metadata"]["name"], shown["metadata"]["name"])
        .replace(mark(first), mark(shown))
    )  # fmt: skip


def secret(thing):
    template = thing["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    (found,) = (each["secret"] for each in template["spec"]["volumes"] if "secret" in each)
    return found["secretName"]


def mark(thing):
    template = thing["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    return json.dumps(template["spec"]["containers"][0]["args"][4])[1:-1]


@pytest.mark.usefixtures("thorough")
def test_equal_calls_of_two_executors_are_two_tasks(api, make_executor, tmp_path):
    folders = TaskFolders(tmp_path / "tasks")
    first, second = (make_executor(folders=folders) for _ in range(2))
    answers = [each.submit(functions.add, {"num_ranks": 1}, 1) for each in (first, second)]
    assert [answer.result(PATIENCE_S) for answer in answers] == [1, 1]
    assert len({thing["metadata"]["name"] for thing in seen(api, "jobs")}) == 2


def test_the_verdict_is_the_clusters(api, executor):
    assert "would be created" in executor.validate("add", TWO)
    api.fail("POST", "/mpijobs", 422, message="spec: Invalid value")
    with pytest.raises(JobRejectedError, match="Invalid value"):
        executor.validate("add", TWO)
    assert api.store.all("mpijobs") == []


def test_a_verdict_needs_every_right_that_a_run_needs(api, executor):
    for verb, resource in (("create", "secrets"), ("watch", "pods"), ("get", "pods")):
        api.denied = {(verb, resource)}
        with pytest.raises(JobRejectedError, match=f"rights on {resource}: not allowed.*{verb}"):
            executor.validate("add", TWO)


@pytest.mark.usefixtures("thorough")
def test_a_verdict_without_the_operator_is_that_of_a_run(api, executor):
    api.has_mpi = False
    with pytest.raises(JobRejectedError, match="install the Kubeflow MPI Operator") as caught:
        executor.validate("add", TWO)
    with pytest.raises(JobRejectedError) as refused:
        executor.submit(functions.add, TWO, 1)
    assert refused.value.reason in caught.value.reason
    assert "would be created" in executor.validate("add", {"num_ranks": 1})
    assert run(executor, functions.add, 1, resources={"num_ranks": 1}) == 1


def test_a_server_that_is_away_is_no_refusal(api, executor):
    api.stop()
    with pytest.raises(BackendUnavailableError, match="does not answer"):
        executor.validate("add", TWO)
    api.restart()


def test_the_cluster_can_be_looked_at(api, executor):
    api.denied.add(("create", "secrets"))
    looked = executor.diagnose(TWO)
    found = {name: (is_fine, detail) for name, is_fine, detail in looked}
    assert found["API server"] == (True, "v1.36.0")
    assert found["rights on secrets"] == (False, "not allowed in namespace default: create")
    api.has_mpi = False
    assert "MPI Operator" in {name for name, *_ in executor.diagnose(TWO)}
    assert "MPI Operator" not in {name for name, *_ in executor.diagnose({"num_ranks": 1})}


def test_an_option_that_cannot_be_is_refused_before_anything_runs(api, tmp_path):
    cluster = KubeContext(str(api.kubeconfig(tmp_path / "config")))
    options = {**OPTIONS, "volumes": [{"name": "x"}]}
    executor = KubernetesExecutor("mpi", tmp_path / "tasks", cluster, options)
    with pytest.raises(ConfigurationError, match="mountPath"):
        executor.check(TWO)


def test_only_a_digest_says_what_is_in_an_image(tmp_path):
    cluster = KubeContext(str(tmp_path / "config"))
    images = ("python:3.13", "python@sha256:0123")
    found = [
        KubernetesExecutor("mpi", tmp_path, cluster, {**OPTIONS, "image": image}).software
        for image in images
    ]
    assert found == [None, "python in python@sha256:0123"]


@pytest.mark.usefixtures("thorough")
def test_a_try_that_fails_leaves_its_lines_to_the_next(executor, tmp_path):
    with pytest.raises(RankFailedError, match="after 2 lines"):
        run(executor, functions.keep_lines_and_fail)
    kept = tmp_path / "tasks" / "keep_lines_and_fail"
    assert sorted(path.name for path in kept.glob("*.jsonl")) == ["work-0.jsonl", "work-1.jsonl"]
    shutil.rmtree(tmp_path / "pods")
    assert run(executor, functions.keep_lines_and_fail) == ["of rank 0", "of rank 1"]


def test_lines_are_not_told_where_the_pods_see_the_folder(make_executor, tmp_path):
    task = TaskFolder(tmp_path / "tasks" / "x")
    task.path.mkdir(parents=True)
    (task.path / "work-0.jsonl").write_text("of rank 0\n")
    task.request.write_bytes(b"what to do")
    volume = {"name": "home", "mountPath": str(tmp_path), "hostPath": {"path": str(tmp_path)}}
    for volumes, n_inputs in ([], 2), ([volume], 1):
        custom = make_executor(options={**OPTIONS, "volumes": volumes})._attributes(task)
        assert ("kubernetes.lines" in custom) == (not volumes)
        assert len(custom["kubernetes.inputs"]) == n_inputs


@pytest.mark.usefixtures("thorough")
def test_a_hang_up_leaves_the_job_to_the_next_driver(api, make_executor, tmp_path):
    first = make_executor()
    go = tmp_path / "go"
    first.submit(functions.wait_for, TWO, str(go))
    first.leaves_jobs = True
    first.shutdown()
    (record,) = jobs_left_alone(tmp_path / "tasks")
    assert (record.ended, record.cancel_asked) == (None, None)
    assert api.store.all("mpijobs")
    future = make_executor().submit(functions.wait_for, TWO, str(go))
    go.touch()
    assert future.result(PATIENCE_S) == 2
    assert len({thing["metadata"]["uid"] for thing in seen(api, "mpijobs")}) == 1
