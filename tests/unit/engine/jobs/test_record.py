"""What is on the disk about a job, and the lock of its submission."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from hybrid_parsl.engine.jobs.record import JobRecord, submission_lock
from hybrid_parsl.errors import StorageError


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "job.json"
    record = JobRecord.of("slurm", "a-1").write(path)
    assert JobRecord.read(path) == record
    assert (record.job_id, record.ended) == (None, None)
    record.with_id("17", None).with_end("FAILED").write(path)
    found = JobRecord.read(path)
    assert found is not None
    assert (found.name, found.job_id, found.ended) == ("a-1", "17", "FAILED")


NO_NUMBER = '{"backend": "local", "name": "x", "host": "h", "submitted": 1.0, "job_id": "abc"}'


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"name": "x"}', '{"other": 1}', "null", NO_NUMBER]
)
def test_what_is_no_record_is_none(tmp_path, text):
    path = tmp_path / "job.json"
    assert JobRecord.read(path) is None
    path.write_text(text)
    assert JobRecord.read(path) is None


@pytest.mark.parametrize("key", ["job_id", "planned_id"])
@pytest.mark.parametrize("text", ["--user=me", "-a", "1 2", "1\n", "1;ls", "1@server", "x" * 300])
def test_an_id_that_no_backend_gives_is_none(tmp_path, key, text):
    path = tmp_path / "job.json"
    replace(JobRecord.of("pbs", "x"), **{key: text}).write(path)
    assert JobRecord.read(path) is None


@pytest.mark.parametrize("text", ["17_4", "17[].server.example", "job/default/a-1", "ƒ2Xz", "7+1"])
def test_an_id_of_a_backend_is_read(tmp_path, text):
    path = tmp_path / "job.json"
    JobRecord.of("pbs", "x").with_id(text, None).write(path)
    assert JobRecord.read(path).job_id == text


def test_seconds_left():
    record = JobRecord.of("local", "x")
    assert 50 < record.seconds_left(timedelta(minutes=1)) <= 60


def test_a_program_that_was_started_under_the_lock_holds_it_until_it_ends(tmp_path):
    path = tmp_path / "job.json"
    program = "import sys; print('here', flush=True); sys.stdin.read()"
    with submission_lock(path) as descriptor:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(descriptor,),
        )
        assert process.stdout.readline() == b"here\n"
    with pytest.raises(TimeoutError, match=r"job\.json"), submission_lock(path, patience_s=0.1):
        pass
    process.communicate()
    with submission_lock(path, patience_s=0):
        pass


def test_a_folder_that_is_gone_is_told(tmp_path):
    with pytest.raises(StorageError, match="gone"), submission_lock(tmp_path / "gone" / "job.json"):
        pass


def test_the_job_of_a_copied_folder_is_that_of_the_original(tmp_path):
    (tmp_path / "a").mkdir()
    record = JobRecord.of("local", "x").with_id("17", None).write(tmp_path / "a" / "job.json")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert JobRecord.read(tmp_path / "b" / "job.json") is None
    record.with_end("COMPLETED").write(tmp_path / "a" / "job.json")
    shutil.rmtree(tmp_path / "b")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert JobRecord.read(tmp_path / "b" / "job.json") is not None  # it is over, and told as that


def test_the_job_of_a_folder_that_was_moved_is_still_its_own(tmp_path):
    (tmp_path / "a").mkdir()
    JobRecord.of("local", "x").write(tmp_path / "a" / "job.json")
    (tmp_path / "link").symlink_to("a")
    assert JobRecord.read(tmp_path / "link" / "job.json") is not None
    (tmp_path / "a").rename(tmp_path / "b")
    assert JobRecord.read(tmp_path / "b" / "job.json") is not None
