"""The contract of PSI/J, against a small API server."""

from __future__ import annotations

import json
import threading

import psij
import pytest
from psij import Job, JobState, ResourceSpecV1
from psij_jobs import (
    PATIENCE,
    held_job,
    history,
    make_job,
    run,
    shell,
)
from waiting import wait_until


@pytest.mark.usefixtures("pods")
def test_a_job_runs_and_its_streams_come_back(executor, tmp_path):
    out, err = tmp_path / "out", tmp_path / "err"
    job = shell("echo out; echo err >&2", stdout_path=out, stderr_path=err)
    states = history(job)
    status = run(executor, job)
    assert (status.state, status.exit_code) == (JobState.COMPLETED, 0)
    assert states == ["QUEUED", "ACTIVE", "COMPLETED"]
    assert (out.read_text(), err.read_text()) == ("out\n", "err\n")


@pytest.mark.usefixtures("pods")
def test_inputs_travel_and_outputs_come_back_whole(executor, tmp_path):
    data = bytes(range(256)) * 300
    (tmp_path / "in").write_bytes(data)
    folder = tmp_path / "pod"
    files = {
        "inputs": {"a": tmp_path / "in", "b": b"inline"},
        "outputs": {"c": tmp_path / "c", "d-*": tmp_path / "many"},
    }
    job = shell("cat a b > c; echo 1 > d-1; echo 2 > d-2; pwd", directory=folder, attributes=files)
    assert run(executor, job).state == JobState.COMPLETED
    assert (tmp_path / "c").read_bytes() == data + b"inline"
    assert {path.name for path in (tmp_path / "many").iterdir()} == {"d-1", "d-2"}


@pytest.mark.usefixtures("pods")
def test_without_files_or_streams_a_job_needs_no_shell_and_no_log(api, executor):
    job = make_job("true")
    assert run(executor, job).state == JobState.COMPLETED
    wait_until(lambda: not api.store.all("jobs"))
    assert api.count("GET", "/log") == 0
    assert api.store.all("pods") == []


@pytest.mark.usefixtures("pods")
def test_a_failure_has_its_exit_code_and_the_last_lines(executor):
    status = run(executor, shell("echo one; echo two >&2; exit 7"))
    assert (status.state, status.exit_code) == (JobState.FAILED, 7)
    assert status.message == "exit code 7\n| one\n| two"


@pytest.mark.usefixtures("pods")
def test_missing_executable_fails_with_start_error(executor):
    status = run(executor, make_job("/there/is/none"))
    assert status.state == JobState.FAILED
    assert status.metadata["reason"] == "StartError"
    assert "/there/is/none" in status.message


@pytest.mark.usefixtures("pods")
def test_ranks_run_under_the_launcher_of_an_mpijob(api, executor, tmp_path):
    api.keeps_calls = True
    job = make_job(
        "sh", "-c", 'echo "rank $PMI_RANK"; echo done > result-$PMI_RANK',
        directory=tmp_path / "pod", stdout_path=tmp_path / "out", launcher="mpirun",
        resources=ResourceSpecV1(node_count=1, processes_per_node=2),
        attributes={"outputs": {"result-*": tmp_path / "results"}},
    )  # fmt: skip
    assert run(executor, job).state == JobState.COMPLETED
    assert job.native_id.startswith("mpijob/default/sh-")
    assert sorted((tmp_path / "out").read_text().splitlines()) == ["rank 0", "rank 1"]
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"result-0", "result-1"}


def test_missing_mpi_operator_is_an_invalid_job(make_executor, api):
    api.has_mpi = False
    job = make_job("x", launcher="mpirun", resources=ResourceSpecV1(process_count=2))
    with pytest.raises(psij.InvalidJobException, match="MPI Operator"):
        make_executor().submit(job)
    assert (job.native_id, job.executor) == (None, None)
    assert job.status.state == JobState.NEW


@pytest.mark.usefixtures("pods")
def test_rejected_job_can_be_corrected_and_submitted(executor):
    job = make_job("true", attributes={"nonsense": 1})
    with pytest.raises(psij.InvalidJobException, match="nonsense"):
        executor.submit(job)
    job.spec.attributes.custom_attributes = {}
    assert run(executor, job).state == JobState.COMPLETED


# --- cancel, attach, list


def test_cancel_ends_the_command_and_keeps_what_it_printed(api, executor, pods, tmp_path):
    job = shell("echo begun; exec sleep 60", stdout_path=tmp_path / "out")
    executor.submit(job)
    wait_until(lambda: any(b"begun" in log() for log in api.logs.values() if callable(log)))
    job.wait(PATIENCE, [JobState.ACTIVE])
    job.cancel()
    assert job.wait(PATIENCE).state == JobState.CANCELED
    assert api.store.all("jobs") == api.store.all("pods") == []
    assert all(process.poll() is not None for process in pods.processes.values())
    assert "begun" in (tmp_path / "out").read_text()


def test_job_being_deleted_is_cancelled_and_blocks_its_successor(api, make_executor):
    first = make_executor()
    job = make_job("true", attributes={"key": "k"})
    first.submit(job)  # no node carries it out, and nobody takes it down
    job.cancel()
    second = make_executor(retry_s=0.3)
    assert second.state(job.native_id) == "CANCELED"
    again = make_job("true", attributes={"key": "k"})
    with pytest.raises(psij.SubmitException, match="still being deleted") as caught:
        second.submit(again)
    assert caught.value.transient
    api.store.remove("jobs", "default", job.native_id.rpartition("/")[2])
    second.submit(again)
    assert again.native_id == job.native_id


@pytest.mark.usefixtures("pods")
def test_cancel_of_a_finished_job_does_nothing(executor):
    job = make_job("true")
    assert run(executor, job).state == JobState.COMPLETED
    executor.cancel(job)
    assert job.status.state == JobState.COMPLETED


@pytest.mark.parametrize(("code", "state"), [(0, JobState.COMPLETED), (255, JobState.CANCELED)])
def test_a_job_that_ends_while_it_is_cancelled(api, executor, pods, code, state):
    """A launcher that fails has lost its workers, which are deleted before it."""
    pods.hold.add("true")
    job = make_job("true")
    executor.submit(job)
    (thing,) = api.store.all("jobs")
    api.fail("DELETE", "/jobs/", (0.3,))
    cancelling = threading.Thread(target=job.cancel)
    cancelling.start()
    pod = pods.make_pod(thing)
    pods.end(pod, code)
    assert job.wait(PATIENCE).state == state
    cancelling.join()


def test_failed_cancel_request_raises(api, make_executor, pods):
    pods.hold.add("true")
    executor = make_executor(retry_s=0.2)
    job = make_job("true")
    executor.submit(job)
    api.fail("DELETE", "/jobs/", 500, times=99)
    with pytest.raises(psij.SubmitException, match="told to fail") as caught:
        job.cancel()
    assert caught.value.transient
    assert job.status.state == JobState.QUEUED


@pytest.mark.usefixtures("pods")
def test_another_process_can_attach(make_executor, tmp_path):
    first, second = make_executor(), make_executor()
    go = tmp_path / "go"
    job = shell(f"while [ ! -e {go} ]; do sleep .05; done; echo x; exit 4")
    first.submit(job)
    job.wait(PATIENCE, [JobState.ACTIVE])
    first.close()
    other = Job()
    states = history(other)
    second.attach(other, job.native_id)
    assert other.wait(PATIENCE, [JobState.ACTIVE]).state == JobState.ACTIVE
    go.touch()
    status = other.wait(PATIENCE)
    assert (status.state, status.exit_code) == (JobState.FAILED, 4)
    assert states == ["QUEUED", "ACTIVE", "FAILED"]


def test_job_can_be_attached_twice(executor, pods):
    job, thing = held_job(executor, pods)
    other = Job()
    executor.attach(other, job.native_id)
    pods.end(pods.make_pod(thing), 3)
    assert [each.wait(PATIENCE).exit_code for each in (job, other)] == [3, 3]


@pytest.mark.usefixtures("pods")
def test_a_finished_job_can_be_attached_with_its_files(make_executor, tmp_path):
    executor = make_executor(keep="all")
    wanted = {"outputs": {"r": tmp_path / "first"}}
    job = shell("echo 1 > r", directory=tmp_path / "pod", attributes=wanted)
    run(executor, job)
    again = make_job("sh", attributes={"outputs": {"r": tmp_path / "again"}})
    executor.attach(again, job.native_id)
    assert again.wait(PATIENCE).exit_code == 0
    assert (tmp_path / "again").read_text() == "1\n"


def test_an_unknown_id_has_failed_without_an_exit_code(executor):
    job = Job()
    executor.attach(job, "job/default/none")
    status = job.wait(PATIENCE)
    assert (status.state, status.exit_code) == (JobState.FAILED, None)
    assert status.metadata["reason"] == "Gone"


@pytest.mark.parametrize("text", ["17", "pod/default/x"])
def test_invalid_id_is_rejected(executor, text):
    with pytest.raises(psij.InvalidJobException, match="job/NAMESPACE/NAME"):
        executor.attach(Job(), text)


def test_list_omits_jobs_with_a_controller(api, executor):
    for name, owners in [("a", []), ("b", []), ("c-launcher", [{"controller": True}])]:
        metadata = {"name": name, "namespace": "default", "ownerReferences": owners}
        api.store.put("jobs", {"metadata": metadata})
    api.store.put("mpijobs", {"metadata": {"name": "c", "namespace": "default"}})
    assert executor.list() == ["job/default/a", "job/default/b", "mpijob/default/c"]
    api.has_mpi = False
    assert executor.list() == ["job/default/a", "job/default/b"]


def test_jobs_of_others_can_be_listed_but_not_attached(api, executor):
    api.store.put("jobs", {"metadata": {"name": "a", "namespace": "default"}})
    with pytest.raises(psij.InvalidJobException, match="not created through PSI/J"):
        executor.attach(Job(), "job/default/a")


# --- once and only once


@pytest.mark.usefixtures("pods")
def test_the_same_key_finds_the_same_job(api, make_executor, tmp_path):
    words = f"echo x >> {tmp_path}/ran; echo 1 > r"
    for number in range(2):
        executor = make_executor(keep="all")
        wanted = {"key": "task 1", "outputs": {"r": tmp_path / str(number)}}
        job = shell(words, directory=tmp_path / "pod", attributes=wanted)
        assert run(executor, job).state == JobState.COMPLETED
        assert (tmp_path / str(number)).exists()
    assert (tmp_path / "ran").read_text() == "x\n"
    assert len(api.store.all("jobs")) == 1


@pytest.mark.parametrize("action", ["lost", "reset", 500, 503])
@pytest.mark.usefixtures("pods")
def test_lost_response_does_not_run_a_job_twice(api, executor, tmp_path, action):
    executor.list()
    api.fail("POST", "/jobs", action)
    job = shell(f"echo x >> {tmp_path}/ran", attributes={"inputs": {"a": b"1"}})
    assert run(executor, job).state == JobState.COMPLETED
    assert (tmp_path / "ran").read_text() == "x\n"


@pytest.mark.usefixtures("pods")
def test_lost_response_for_the_inputs_is_harmless(api, executor, tmp_path):
    api.fail("POST", "/secrets", "lost")
    folder = tmp_path / "pod"
    job = shell("cat a", directory=folder, attributes={"inputs": {"a": b"1"}})
    assert run(executor, job).state == JobState.COMPLETED


@pytest.mark.usefixtures("pods")
def test_each_attempt_uses_its_own_inputs(api, executor, tmp_path):
    for text in (b"1", b"2"):
        wanted = {"key": "k", "inputs": {"a": text}, "outputs": {"b": tmp_path / "b"}}
        job = shell("cat a > b; exit 1", directory=tmp_path / "pod", attributes=wanted)
        run(executor, job)
        assert (tmp_path / "b").read_bytes() == text
    lines = [line for *_, line in api.store.history["secrets"]]
    assert len({json.loads(line)["object"]["metadata"]["name"] for line in lines}) == 2


@pytest.mark.usefixtures("pods")
def test_missing_inputs_of_an_adopted_job_are_created(api, make_executor, tmp_path):
    job = shell(
        "cat a > b",
        directory=tmp_path / "pod",
        attributes={"key": "k", "inputs": {"a": b"1"}, "outputs": {"b": tmp_path / "b"}},
    )
    api.fail("POST", "/secrets", "reset", times=99)
    api.fail("DELETE", "/jobs", "reset", times=99)
    with pytest.raises(psij.SubmitException):
        make_executor(retry_s=0.2).submit(job)
    api.faults.clear()
    assert run(make_executor(), job).state == JobState.COMPLETED
    assert (tmp_path / "b").read_text() == "1"


@pytest.mark.usefixtures("pods")
def test_failed_job_is_replaced_on_resubmission(executor, tmp_path):
    script = f"[ -e {tmp_path}/again ] || {{ touch {tmp_path}/again; exit 1; }}"
    states = [run(executor, shell(script, attributes={"key": "k"})).state.name for _ in range(2)]
    assert states == ["FAILED", "COMPLETED"]


def test_name_of_another_task_is_rejected(api, executor):
    from hybrid_parsl.psij_kubernetes.names import object_name

    name = object_name("true", "k")
    api.store.put("jobs", {"metadata": {"name": name, "namespace": "default"}})
    with pytest.raises(psij.InvalidJobException, match="another task than 'k'"):
        executor.submit(make_job("true", attributes={"key": "k"}))


# --- many jobs


@pytest.mark.usefixtures("pods")
def test_many_jobs_share_the_watches_and_the_threads(api, executor):
    jobs = [make_job("true") for _ in range(40)]
    for job in jobs:
        executor.submit(job)
    assert {job.wait(PATIENCE).state for job in jobs} == {JobState.COMPLETED}
    assert api.count("GET", "/jobs", watch=True) == api.count("GET", "/pods", watch=True) == 1
    assert len([each for each in threading.enumerate() if "psij-kubernetes" in each.name]) <= 11


@pytest.mark.usefixtures("pods")
def test_finished_jobs_are_forgotten(executor):
    for _ in range(5):
        run(executor, make_job("true"))
    assert executor._jobs._tracker._jobs == {}
