"""The executor against a small API server: what PSI/J promises, and what a cluster may do."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta

import psij
import pytest
from psij import Job, JobSpec, JobState, ResourceSpecV1

PATIENCE = timedelta(seconds=30)


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
def test_a_missing_executable_is_told(executor):
    status = run(executor, make_job("/there/is/none"))
    assert status.state == JobState.FAILED
    assert "StartError" in status.message
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


def test_no_mpi_operator_is_told_at_once(make_executor, api):
    api.has_mpi = False
    job = make_job("x", launcher="mpirun", resources=ResourceSpecV1(process_count=2))
    with pytest.raises(psij.InvalidJobException, match="MPI Operator"):
        make_executor().submit(job)
    assert (job.native_id, job.executor) == (None, None)
    assert job.status.state == JobState.NEW


def test_what_is_refused_can_be_put_right_and_submitted_again(executor, pods):
    job = make_job("true", attributes={"nonsense": 1})
    with pytest.raises(psij.InvalidJobException, match="nonsense"):
        executor.submit(job)
    job.spec.attributes.custom_attributes = {}
    assert run(executor, job).state == JobState.COMPLETED
    assert pods


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


def test_a_job_that_is_being_deleted_counts_as_canceled_and_is_waited_for(api, make_executor):
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


def test_a_job_that_ends_while_it_is_canceled_has_completed(api, executor, pods):
    pods.hold.add("true")
    job = make_job("true")
    executor.submit(job)
    (thing,) = api.store.all("jobs")
    api.fail("DELETE", "/jobs/", (0.3,))
    canceling = threading.Thread(target=job.cancel)
    canceling.start()
    pod = pods.make_pod(thing)
    pods.end(pod, 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED
    canceling.join()


def test_a_cancel_that_cannot_be_sent_raises(api, make_executor, pods):
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


def test_a_job_can_be_followed_twice(executor, pods):
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
    assert "no job/default/none any more" in status.message


@pytest.mark.parametrize("text", ["17", "pod/default/x"])
def test_a_text_that_is_no_id_is_refused(executor, text):
    with pytest.raises(psij.InvalidJobException, match="job/NAMESPACE/NAME"):
        executor.attach(Job(), text)


def test_list_has_all_jobs_but_those_that_others_control(api, executor):
    for name, owners in [("a", []), ("b", []), ("c-launcher", [{"controller": True}])]:
        metadata = {"name": name, "namespace": "default", "ownerReferences": owners}
        api.store.put("jobs", {"metadata": metadata})
    api.store.put("mpijobs", {"metadata": {"name": "c", "namespace": "default"}})
    assert executor.list() == ["job/default/a", "job/default/b", "mpijob/default/c"]
    api.has_mpi = False
    assert executor.list() == ["job/default/a", "job/default/b"]


def test_jobs_of_others_can_be_listed_but_not_attached(api, executor):
    api.store.put("jobs", {"metadata": {"name": "a", "namespace": "default"}})
    with pytest.raises(psij.InvalidJobException, match="not made through PSI/J"):
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
def test_a_lost_answer_does_not_run_a_job_twice(api, executor, tmp_path, action):
    executor.list()
    api.fail("POST", "/jobs", action)
    job = shell(f"echo x >> {tmp_path}/ran", attributes={"inputs": {"a": b"1"}})
    assert run(executor, job).state == JobState.COMPLETED
    assert (tmp_path / "ran").read_text() == "x\n"


@pytest.mark.usefixtures("pods")
def test_a_lost_answer_to_the_inputs_is_no_harm(api, executor, tmp_path):
    api.fail("POST", "/secrets", "lost")
    folder = tmp_path / "pod"
    job = shell("cat a", directory=folder, attributes={"inputs": {"a": b"1"}})
    assert run(executor, job).state == JobState.COMPLETED


@pytest.mark.usefixtures("pods")
def test_inputs_of_an_earlier_try_are_not_taken_for_its_own(api, executor, tmp_path):
    for text in (b"1", b"2"):
        wanted = {"key": "k", "inputs": {"a": text}, "outputs": {"b": tmp_path / "b"}}
        job = shell("cat a > b; exit 1", directory=tmp_path / "pod", attributes=wanted)
        run(executor, job)
        assert (tmp_path / "b").read_bytes() == text
    lines = [line for *_, line in api.store.history["secrets"]]
    assert len({json.loads(line)["object"]["metadata"]["name"] for line in lines}) == 2


@pytest.mark.usefixtures("pods")
def test_inputs_that_a_killed_driver_did_not_create_are_created(api, make_executor, tmp_path):
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
def test_a_failed_job_makes_room_for_another_try(executor, tmp_path):
    script = f"[ -e {tmp_path}/again ] || {{ touch {tmp_path}/again; exit 1; }}"
    states = [run(executor, shell(script, attributes={"key": "k"})).state.name for _ in range(2)]
    assert states == ["FAILED", "COMPLETED"]


def test_a_name_that_is_taken_by_another_task_is_refused(api, executor):
    from hybrid_parsl.kubernetes_psij.names import object_name

    name = object_name("true", "k")
    api.store.put("jobs", {"metadata": {"name": name, "namespace": "default"}})
    with pytest.raises(psij.InvalidJobException, match="not of the task 'k'"):
        executor.submit(make_job("true", attributes={"key": "k"}))


# --- what a cluster may do to a job


def held_job(executor, pods, **attributes):
    """Submit a job whose pod does what the test says, and return it with its Job."""
    pods.hold.add("held")
    job = make_job("true", name="held", attributes=attributes)
    executor.submit(job)
    return job, pods.store.all("jobs")[-1]


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("InvalidImageName", "bad name", "InvalidImageName: bad name"),
        ("ErrImageNeverPull", "not there", "ErrImageNeverPull"),
        ("ErrImagePull", "manifest unknown", "ErrImagePull: manifest unknown"),
        ("ErrImagePull", "connection timed out", "ErrImagePull: connection timed out"),
        ("CreateContainerError", "no such user", "CreateContainerError: no such user"),
    ],
)
def test_a_pod_that_cannot_start_is_told_and_removed(
    api, executor, pods, reason, message, expected
):
    job, thing = held_job(executor, pods)
    pods.set_waiting(pods.make_pod(thing), reason, message)
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert expected in status.message
    assert status.metadata["reason"] == reason
    assert api.store.all("jobs") == api.store.all("pods") == []


def test_a_pull_that_backs_off_is_told_by_its_first_cause(executor, pods):
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_waiting(pod, "ErrImagePull", "registry does not answer")
    pods.set_waiting(pod, "ImagePullBackOff", "Back-off pulling image")
    assert "registry does not answer" in job.wait(PATIENCE).message


def test_trouble_that_passes_is_forgiven(make_executor, pods):
    executor = make_executor(start_patience_s=2.0)
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_waiting(pod, "ErrImagePull", "registry does not answer")
    time.sleep(0.7)
    pods.set_running(pod)
    time.sleep(2)
    pods.end(pod, 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


def unschedulable(message):
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {"conditions": [{**condition, "message": message}]}


def test_a_pod_that_no_node_takes_is_told(executor, pods):
    job, thing = held_job(executor, pods)
    message = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    pods.make_pod(thing, **unschedulable(message))
    assert "Unschedulable: 0/2 nodes are available" in job.wait(PATIENCE).message


def test_a_busy_cluster_is_waited_for(api, executor, pods):
    job, thing = held_job(executor, pods)
    api.nodes = [{"status": {"allocatable": {"cpu": "8", "memory": "16Gi"}}}]
    pod = pods.make_pod(thing, **unschedulable("0/1 nodes are available: 1 Insufficient cpu."))
    assert job.wait(timedelta(seconds=2)) is None
    pods.end(pod, 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


def test_a_job_larger_than_every_node_is_told(api, make_executor, pods):
    api.nodes = [{"status": {"allocatable": {"cpu": "8", "memory": "16Gi"}}}]
    pods.hold.add("held")
    job = make_job("true", name="held", resources=ResourceSpecV1(cpu_cores_per_process=9))
    make_executor().submit(job)
    (thing,) = api.store.all("jobs")
    pods.make_pod(thing, **unschedulable("0/1 nodes are available: 1 Insufficient cpu."))
    assert "no node is large enough" in job.wait(PATIENCE).message


def warn(api, thing, reason, message):
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
        },
    )


QUOTA = (
    "Error creating: pods is forbidden: exceeded quota: q, requested: cpu={}, "
    "used: cpu=3, limited: cpu=4"
)


def test_a_quota_that_can_never_hold_a_job_is_told(api, executor, pods):
    job, thing = held_job(executor, pods)
    warn(api, thing, "FailedCreate", QUOTA.format(5))
    status = job.wait(PATIENCE)
    assert status.message.startswith("QuotaExceeded: Error creating: pods is forbidden")


def test_a_quota_that_others_use_is_waited_for(api, executor, pods):
    job, thing = held_job(executor, pods)
    warn(api, thing, "FailedCreate", QUOTA.format(2))
    assert job.wait(timedelta(seconds=5)) is None
    pods.end(pods.make_pod(thing), 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


def test_a_pod_that_may_not_be_made_is_told(api, executor, pods):
    job, thing = held_job(executor, pods)
    warn(api, thing, "FailedCreate", "Error creating: violates PodSecurity restricted")
    assert "FailedCreate: Error creating: violates" in job.wait(PATIENCE).message


def test_a_volume_that_is_not_mounted_is_told(api, executor, pods):
    job, thing = held_job(executor, pods)
    pods.make_pod(thing)
    warn(api, thing, "FailedMount", 'secret "data" not found')
    assert "FailedMount" in job.wait(PATIENCE).message


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ({"reason": "OOMKilled"}, "OOMKilled: it used more memory than its limit"),
        ({"pod_reason": "Evicted", "message": "low on disk"}, "Evicted: its node put it out"),
        ({"pod_reason": "DeadlineExceeded"}, "DeadlineExceeded: the walltime of 600 s is over"),
        ({"pod_reason": "NodeShutdown"}, "NodeShutdown: its node was shut down"),
        ({"disrupted": "PreemptionByScheduler"}, "a job of higher priority took its place"),
    ],
)
def test_an_end_is_told_as_what_it_is_with_the_last_lines(api, executor, pods, ending, expected):
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_running(pod)
    api.logs[pod[1]] = b"the last line\n"
    status = {"message": ending["message"]} if "message" in ending else {}
    if "pod_reason" in ending:
        status["reason"] = ending["pod_reason"]
    if "disrupted" in ending:
        condition = {"type": "DisruptionTarget", "status": "True", "reason": ending["disrupted"]}
        status["conditions"] = [condition]
    pods.end(pod, 137, ending.get("reason"), **status)
    found = job.wait(PATIENCE)
    assert found.state == JobState.FAILED
    assert expected in found.message
    assert "| the last line" in found.message


def test_a_node_that_is_gone_is_told_though_its_pod_never_ends(executor, pods):
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_running(pod)
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
    pods.set_status(pod, conditions=[condition])
    assert "its node is gone" in job.wait(PATIENCE).message


def test_a_pod_that_somebody_deletes_is_told_and_the_job_does_not_run_again(api, executor, pods):
    job, thing = held_job(executor, pods)
    pod = pods.make_pod(thing)
    pods.set_running(pod)
    job.wait(PATIENCE, [JobState.ACTIVE])
    # the controllers of older clusters make another pod before the first is gone
    pods.set_running(pods.make_pod(thing, suffix="-again"))
    pods.store.remove("pods", *pod)
    assert "somebody deleted its pod" in job.wait(PATIENCE).message
    wait_until(lambda: not api.store.all("jobs"))


def test_a_job_that_somebody_deletes_was_canceled(api, executor, pods):
    job, thing = held_job(executor, pods)
    api.store.remove("jobs", "default", thing["metadata"]["name"])
    status = job.wait(PATIENCE)
    assert status.state == JobState.CANCELED
    assert "somebody else" in status.message


def test_a_worker_that_is_killed_explains_the_launcher(api, executor, pods):
    pods.hold.add("ranks")
    more = {"launcher": "mpirun", "resources": ResourceSpecV1(node_count=2, processes_per_node=1)}
    job = make_job("true", name="ranks", **more)
    executor.submit(job)
    (thing,) = api.store.all("mpijobs")
    worker = pods.make_pod(thing, "worker", "-worker-1")
    launcher = pods.make_pod(thing, "launcher", "-launcher-x")
    pods.set_running(launcher)
    pods.end(worker, 137, "OOMKilled")
    pods.end(launcher, 255)
    status = job.wait(PATIENCE)
    assert status.exit_code == 255
    assert "-worker-1: OOMKilled: it used more memory" in status.message


@pytest.mark.parametrize("code", [255, 7])
def test_a_worker_that_was_taken_away_while_the_ranks_ran_is_told(api, executor, pods, code):
    pods.hold.add("ranks")
    more = {"launcher": "mpirun", "resources": ResourceSpecV1(node_count=2, processes_per_node=1)}
    job = make_job("true", name="ranks", **more)
    executor.submit(job)
    (thing,) = api.store.all("mpijobs")
    worker = pods.make_pod(thing, "worker", "-worker-1")
    launcher = pods.make_pod(thing, "launcher", "-launcher-x")
    pods.set_running(launcher)
    ends = [lambda: api.store.remove("pods", *worker), lambda: pods.end(launcher, code)]
    for end in ends if code == 255 else reversed(ends):  # the operator removes workers at the end
        end()
    status = job.wait(PATIENCE)
    assert status.exit_code == code
    assert ("-worker-1: PodDeleted: somebody" in status.message) == (code == 255)


def test_a_suspended_job_waits_in_its_queue(api, executor, pods):
    job, thing = held_job(executor, pods)
    where = ("jobs", "default", thing["metadata"]["name"])
    api.store.update(*where, lambda found: found["spec"].update(suspend=True))
    assert job.wait(timedelta(seconds=3)) is None
    assert api.count("GET", "/events") == 0


def test_a_job_whose_place_is_taken_back_runs_later(api, executor, pods):
    job, thing = held_job(executor, pods)
    where = ("jobs", "default", thing["metadata"]["name"])
    first = pods.make_pod(thing, suffix="-first")
    pods.set_running(first)
    api.store.update(*where, lambda found: found["spec"].update(suspend=True))
    wait_until(lambda: executor._jobs._follower.find(job).suspended)
    api.store.update("pods", *first, lambda pod: pod["metadata"].update(deletionTimestamp="now"))
    pods.end(first, 143)
    api.store.remove("pods", *first)
    assert job.wait(timedelta(seconds=0.5)) is None
    api.store.update(*where, lambda found: found["spec"].update(suspend=False))
    pods.end(pods.make_pod(thing, suffix="-second"), 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED


@pytest.mark.usefixtures("pods")
def test_the_output_of_a_job_that_runs_can_be_read(make_executor, tmp_path):
    out, go = tmp_path / "out", tmp_path / "go"
    out.write_text("of an earlier try, and longer than the new one")
    script = f"echo one; while [ ! -e {go} ]; do sleep .05; done; echo two"
    job = shell(script, stdout_path=out)
    make_executor(live_log_s=0.1).submit(job)
    wait_until(lambda: out.read_text() == "one\n")
    go.touch()
    assert job.wait(PATIENCE).state == JobState.COMPLETED
    assert out.read_text() == "one\ntwo\n"


# --- results


@pytest.mark.parametrize("keeps", ["nothing", "half", "tail", "changed"])
def test_a_log_that_is_not_whole_is_an_error_and_no_result(api, executor, pods, tmp_path, keeps):
    damage = {
        "nothing": lambda _: b"",
        "half": lambda log: log[: len(log) // 2],
        "tail": lambda log: log[log.index(b"F2000") + 40 :],
        "changed": lambda log: log.replace(b"AAAA", b"AAAB", 1),
    }[keeps]
    job = shell(
        "head -c 2000 /dev/zero > r",
        directory=tmp_path / "pod",
        attributes={"outputs": {"r": tmp_path / "r"}},
    )
    api.damage = damage
    status = run(executor, job)
    assert (status.state, status.exit_code) == (JobState.FAILED, 0)
    assert status.message.startswith("LogIncomplete: ")
    assert not (tmp_path / "r").exists()
    assert pods


@pytest.mark.usefixtures("pods")
def test_a_job_whose_results_are_lost_makes_room_for_another_try(api, executor, tmp_path):
    wanted = {"key": "k", "outputs": {"r": tmp_path / "r"}}
    for damage, state in ((lambda _: b"", "FAILED"), (bytes, "COMPLETED")):
        api.damage = damage
        script = f"echo x >> {tmp_path}/ran; echo 1 > r"
        job = shell(script, directory=tmp_path / "pod", attributes=wanted)
        assert run(executor, job).state.name == state
    assert (tmp_path / "ran").read_text() == "x\nx\n"


@pytest.mark.usefixtures("pods")
def test_results_are_waited_for_while_the_server_is_away(api, executor, tmp_path):
    api.fail("GET", "/log", 503, times=5)
    wanted = {"outputs": {"r": tmp_path / "r"}}
    job = shell("echo 1 > r", directory=tmp_path / "pod", attributes=wanted)
    assert run(executor, job).state == JobState.COMPLETED


@pytest.mark.usefixtures("pods")
def test_a_log_that_cannot_be_read_now_is_kept_for_the_next_driver(api, make_executor, tmp_path):
    api.fail("GET", "/log", 503, times=99)
    wanted = {"key": "k", "outputs": {"r": tmp_path / "r"}}
    script = f"echo x >> {tmp_path}/ran; echo 1 > r"
    job = shell(script, directory=tmp_path / "pod", attributes=wanted)
    status = run(make_executor(retry_s=0.5), job)
    assert status.message.startswith("LogUnreadable: the log cannot be read: ")
    api.faults.clear()
    again = shell(script, directory=tmp_path / "pod", attributes=wanted)
    assert run(make_executor(), again).state == JobState.COMPLETED
    assert (tmp_path / "ran").read_text() == "x\n"


@pytest.mark.usefixtures("pods")
def test_a_rotated_log_with_a_whole_result_is_a_remark(api, executor, tmp_path):
    job = shell(
        "echo begin; echo 1 > r",
        directory=tmp_path / "pod",
        stdout_path=tmp_path / "out",
        attributes={"outputs": {"r": tmp_path / "r"}},
    )
    api.damage = lambda log: log[log.index(b"begin") + 1 :]
    status = run(executor, job)
    assert status.state == JobState.COMPLETED
    assert "rotated" in status.message


@pytest.mark.usefixtures("pods")
def test_a_rotated_log_is_an_error_if_the_output_is_all(api, executor, tmp_path):
    job = shell("echo begin", stdout_path=tmp_path / "out")
    api.damage = lambda log: log[log.index(b"begin") + 1 :]
    status = run(executor, job)
    assert status.state == JobState.FAILED
    assert "rotated" in status.message


@pytest.mark.parametrize("action", ["reset", "cut", 500, 429])
@pytest.mark.usefixtures("pods")
def test_a_log_is_asked_for_again(api, executor, tmp_path, action):
    api.fail("GET", "/log", action, headers={"Retry-After": "0"} if action == 429 else {})
    job = shell("echo whole", stdout_path=tmp_path / "out")
    assert run(executor, job).state == JobState.COMPLETED
    assert (tmp_path / "out").read_text() == "whole\n"


# --- a server that fails


@pytest.mark.parametrize("action", [429, 500, 502, 503, 504, "reset"])
@pytest.mark.usefixtures("pods")
def test_every_call_is_repeated(api, executor, tmp_path, action):
    for method, path in [
        ("GET", "/jobs"),
        ("GET", "/pods"),
        ("POST", "/jobs"),
        ("DELETE", "/jobs"),
    ]:
        api.fail(method, path, action, watch=False)
    job = shell("echo 1", stdout_path=tmp_path / "out")
    assert run(executor, job).state == JobState.COMPLETED
    wait_until(lambda: not api.store.all("jobs"))


def test_a_server_that_says_when_is_obeyed(api, executor):
    api.fail("GET", "/jobs", 429, headers={"Retry-After": "1"})
    begun = time.monotonic()
    executor.list()
    assert time.monotonic() - begun >= 1


def test_a_server_that_stays_away_is_a_transient_error(api, make_executor):
    executor = make_executor(retry_s=0.3)
    api.stop()
    job = make_job("true")
    with pytest.raises(psij.SubmitException, match="does not answer") as caught:
        executor.submit(job)
    assert caught.value.transient
    api.restart()


def test_what_may_not_be_done_is_a_lasting_error(api, executor):
    api.denied.add(("create", "jobs"))
    with pytest.raises(psij.SubmitException, match="forbidden") as caught:
        executor.submit(make_job("true"))
    assert not caught.value.transient


def test_what_may_not_be_watched_is_told_before_anything_is_made(api, executor):
    api.denied.add(("get", "pods"))
    with pytest.raises(psij.SubmitException, match="pods is forbidden"):
        executor.submit(make_job("true"))
    assert not api.store.all("jobs")


def test_a_quota_of_jobs_is_transient(api, executor):
    api.fail("POST", "/jobs", 403, message="exceeded quota: count/jobs.batch")
    with pytest.raises(psij.SubmitException) as caught:
        executor.submit(make_job("true"))
    assert caught.value.transient


def test_a_job_that_the_server_finds_invalid_is_invalid(api, executor):
    api.fail("POST", "/jobs", 422, message="spec.template: Invalid value")
    with pytest.raises(psij.InvalidJobException, match="Invalid value"):
        executor.submit(make_job("true"))


def test_jobs_outlive_a_restart_of_the_server(api, executor, pods, tmp_path):
    job = shell("sleep 1.5; echo 1", stdout_path=tmp_path / "out")
    executor.submit(job)
    job.wait(PATIENCE, [JobState.ACTIVE])
    api.stop()
    time.sleep(2)
    api.restart()
    assert job.wait(PATIENCE).state == JobState.COMPLETED
    assert (tmp_path / "out").read_text() == "1\n"
    assert pods


def test_a_job_that_is_gone_after_a_relist_is_told(api, executor, pods):
    job, thing = held_job(executor, pods)
    wait_until(lambda: api.count("GET", "/jobs", watch=True))
    api.stop()
    api.store.objects["jobs"].pop(("default", thing["metadata"]["name"]))
    api.store.version += 1
    api.store.compact()
    api.restart()
    status = job.wait(PATIENCE)
    assert status.state == JobState.FAILED
    assert "how it ended is not known" in status.message


def test_an_expired_token_is_renewed_from_the_kubeconfig(api, make_executor, tmp_path, pods):
    api.token = "first"
    token = tmp_path / "token"
    token.write_text("first")
    executor = make_executor(user={"tokenFile": str(token)})
    assert executor.list() == []
    api.token = "second"
    token.write_text("second")
    assert run(executor, make_job("true")).state == JobState.COMPLETED
    assert pods


def test_a_login_that_cannot_be_renewed_now_is_waited_for(api, make_executor, tmp_path, pods):
    api.token = "first"
    token = tmp_path / "token"
    token.write_text("first")
    executor = make_executor(user={"tokenFile": str(token)})
    job, thing = held_job(executor, pods)
    api.stop()
    file = tmp_path / "kubeconfig"
    text = file.read_text()
    file.write_text("{}")
    token.write_text("second")
    api.token = "second"
    api.restart()
    restore = threading.Timer(1, file.write_text, [text])
    restore.start()
    pods.end(pods.make_pod(thing), 0)
    assert job.wait(PATIENCE).state == JobState.COMPLETED
    restore.join()


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
    assert executor._jobs._follower._jobs == {}


def wait_until(condition, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
