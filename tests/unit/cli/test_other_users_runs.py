"""Runs in a shared folder that another user has planted or can write."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

STRANGER = 12345
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")

SITE = """
from pathlib import Path
Path({marker!r}).touch()
def config(run):
    raise RuntimeError
"""
HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write(sys.argv[2])
file.flush()
print("held", flush=True)
sys.stdin.read()
"""
READERS = [
    ("resume",),
    ("show",),
    ("status",),
    ("logs",),
    ("report",),
    ("cancel",),
    ("remote", "status"),
    ("remote", "attach"),
    ("remote", "fetch"),
    ("remote", "resume"),
]


def give_away(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Make a run of a stranger that would execute the stranger's site file."""
    run = tmp_path / "runs" / "20270101T000000Z-bell-bbbbbb"
    run.mkdir(parents=True)
    run.parent.chmod(0o1777)
    site = tmp_path / "planted.py"
    site.write_text(SITE.format(marker=str(tmp_path / "executed")))
    from hybrid_parsl import identity

    record = {"name": "planted", "file": str(site), "project": str(Path.cwd()), "settings": None}
    results = {
        "run": {"status": "running", "site": "x", "started": "2027-01-01T00:00:00Z"},
        "experiment": {"search": {"starts": 1}},
        "stages": [],
    }
    (run / "site.json").write_text(json.dumps(record))
    (run / "versions.json").write_text(json.dumps({"hybrid-parsl": identity.current()}))
    (run / "results.json").write_text(json.dumps(results))
    (run / "remote.json").write_text("{}")
    (run / "experiment.toml").write_text('name = "bell"\n[problem]\nkind = "bell"\n')
    give_away(run)
    return run


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_no_command_works_on_a_run_of_another_user(command, planted, words):
    command(*words, planted.name, code=2)
    assert f"{planted}: belongs to another user" in command.err
    assert f"owner {STRANGER} (uid {STRANGER})" in command.err
    assert not (command.folder / "executed").exists()


@pytest.mark.usefixtures("thorough", "planted")
@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_latest_is_not_a_run_of_another_user(command, words):
    command(*words, code=2)
    assert "1 of the runs in runs belong to other users" in command.err
    assert "there is no run of yours in runs" in command.err
    assert not (command.folder / "executed").exists()


@pytest.mark.usefixtures("planted")
def test_latest_passes_over_runs_of_other_users(command, ended_run):
    assert ended_run.name in command("show")
    assert "belong to other users" in command.err


def test_a_planted_frame_is_refused_before_anything_is_read(command, planted):
    for path in (planted, *planted.rglob("*")):
        os.chown(path, 0, 0)
    frame = planted / "tasks" / "search" / "result.frame"
    frame.parent.mkdir(parents=True)
    frame.write_bytes(b"HPFRAME1")
    os.chown(frame, STRANGER, STRANGER)
    command("resume", planted.name, code=2)
    assert f"{frame}: belongs to another user" in command.err


def test_a_recorded_site_file_of_another_user_is_not_executed(command, planted):
    for path in (planted, *planted.rglob("*")):
        os.chown(path, 0, 0)
    os.chown(command.folder / "planted.py", STRANGER, STRANGER)
    (planted / "remote.json").unlink()
    record = json.loads((planted / "site.json").read_text())
    template = Path(__file__).parents[3]
    (planted / "site.json").write_text(json.dumps({**record, "project": str(template)}))
    command("resume", planted.name, code=2)
    assert f"{command.folder / 'planted.py'}: belongs to another user" in command.err
    assert not (command.folder / "executed").exists()


@pytest.mark.parametrize("began", [None, 1.0])
def test_a_process_that_did_not_take_the_lock_is_not_signalled(command, planted, began):
    for path in (planted, *planted.rglob("*")):
        os.chown(path, 0, 0)
    (planted / "remote.json").unlink()
    with subprocess.Popen(["sleep", "60"]) as victim:
        named = {"host": socket.gethostname(), "pid": victim.pid, "began": began}
        arguments = [planted / "driver.lock", json.dumps(named)]
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as holder:
            assert holder.stdout.readline() == b"held\n"
            command("cancel", planted.name, code=6)
            assert "is not the process that took the lock" in command.err
            holder.communicate()
        is_alive = victim.poll() is None
        victim.kill()
    assert is_alive
