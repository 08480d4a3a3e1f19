"""What PSI/J promises of every executor, kept by each of those that we use or make."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import psij
import pytest
from psij import Job, JobAttributes, JobExecutor, JobSpec, JobState
from waiting import PATIENCE_S

PATIENCE = timedelta(seconds=PATIENCE_S)


@pytest.fixture(scope="module", params=["local", "k8s", "slurm", "kubernetes"])
def backend(request):
    """Return how an executor is made: PSI/J's name and the configuration's maker."""
    if request.param == "local":
        return "local", lambda folder: psij.JobExecutorConfig(work_directory=folder)
    service = request.getfixturevalue(request.param)
    if request.param == "slurm":
        from hybrid_parsl.engine.jobs.batch_scheduler import executor_config

        return "slurm", lambda folder: executor_config("slurm", folder, 0.5)

    from hybrid_parsl.psij_kubernetes import JobOptions, KubernetesExecutorConfig

    options = JobOptions(image="localhost/debian:local", image_pull_policy="Never", grace_s=1)
    kubeconfig = service.environment["KUBECONFIG"]
    config = KubernetesExecutorConfig(kubeconfig=kubeconfig, options=options)
    return "kubernetes", lambda _: config


@pytest.fixture
def make_executor(backend, tmp_path):
    made = []

    def make():
        name, config = backend
        made.append(JobExecutor.get_instance(name, config=config(tmp_path / "psij")))
        return made[-1]

    yield make
    for each in made:
        getattr(each, "close", bool)()


@pytest.fixture
def executor(make_executor):
    return make_executor()


@pytest.fixture
def out(backend, tmp_path):
    """Return a path for the output of a job; the scripts of Slurm's executor want no link."""
    assert backend
    return Path(tmp_path) / "out"


def shell(text, **more):
    return Job(JobSpec("/bin/sh", ["-c", text], **more))


def run(executor, job):
    executor.submit(job)
    return job.wait(PATIENCE)


def test_the_states_come_in_order_and_once(executor):
    states, ended = [], threading.Event()
    job = shell("sleep 1")

    def note(_, status):
        states.append(status.state.name)
        if status.final:
            ended.set()

    job.set_job_status_callback(note)
    run(executor, job)
    assert ended.wait(PATIENCE_S)
    assert states == ["QUEUED", "ACTIVE", "COMPLETED"]


@pytest.mark.parametrize(("code", "state"), [(0, JobState.COMPLETED), (3, JobState.FAILED)])
def test_the_exit_code_is_the_commands(executor, code, state):
    status = run(executor, shell(f"exit {code}"))
    assert (status.state, status.exit_code) == (state, code)


def test_arguments_are_no_shell_text(executor, out):
    words = ["%s|", "a b", "$HOME", "*", "'", '"', "$(date)", "$$", "ä"]
    run(executor, Job(JobSpec("/usr/bin/printf", words, stdout_path=out)))
    assert out.read_text() == "".join(f"{word}|" for word in words[1:])


def test_the_streams_go_to_their_files(executor, out, tmp_path):
    err = tmp_path / "err"
    run(executor, shell("echo one; echo two >&2", stdout_path=out, stderr_path=err))
    assert (out.read_text(), err.read_text()) == ("one\n", "two\n")


def test_variables_are_set_and_numbers_are_texts(executor, out):
    variables = {"WORD": "a b", "NUMBER": 7}
    run(executor, shell('echo "$WORD $NUMBER"', environment=variables, stdout_path=out))
    assert out.read_text() == "a b 7\n"


def test_the_directory_is_the_commands(executor, out):
    run(executor, shell("pwd", directory="/tmp", stdout_path=out))
    assert out.read_text().endswith("/tmp\n")  # the small cluster's pods have folders below ours


def test_scripts_are_sourced_before_and_after(executor, out, tmp_path):
    (tmp_path / "pre").write_text("export WORD=before\n")
    (tmp_path / "post").write_text("true\n")
    scripts = {"pre_launch": tmp_path / "pre", "post_launch": tmp_path / "post"}
    assert run(executor, shell('echo "$WORD"', stdout_path=out, **scripts)).exit_code == 0
    assert out.read_text() == "before\n"


def test_cancel_ends_in_cancelled(executor):
    job = shell("sleep 300")
    executor.submit(job)
    job.wait(PATIENCE, [JobState.ACTIVE])
    job.cancel()
    assert job.wait(PATIENCE).state == JobState.CANCELED


def test_another_executor_can_attach(backend, make_executor):
    if backend[0] == "local":
        pytest.skip("PSI/J's local executor waits for ever for a child of another reaper")
    job = shell("sleep 2")
    make_executor().submit(job)
    other = Job()
    make_executor().attach(other, job.native_id)
    assert other.wait(PATIENCE).state == JobState.COMPLETED
    assert job.wait(PATIENCE).state == JobState.COMPLETED


def test_list_knows_a_job_that_runs(executor):
    job = shell("sleep 5")
    executor.submit(job)
    job.wait(PATIENCE, [JobState.ACTIVE])
    assert job.native_id in executor.list()
    job.cancel()
    job.wait(PATIENCE)


def test_many_jobs_all_end(executor):
    jobs = [shell(f"exit {number % 2}") for number in range(20)]
    begun = time.monotonic()
    for job in jobs:
        executor.submit(job)
    codes = [job.wait(PATIENCE).exit_code for job in jobs]
    assert codes == [number % 2 for number in range(20)]
    assert time.monotonic() - begun < PATIENCE.total_seconds()


def test_a_job_without_an_executable_is_invalid(executor):
    with pytest.raises((psij.InvalidJobException, psij.SubmitException, AssertionError, TypeError)):
        executor.submit(Job(JobSpec(None, attributes=JobAttributes())))
