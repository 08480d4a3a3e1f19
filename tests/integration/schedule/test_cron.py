"""Schedules under Debian's cron, which starts them each minute in its bare environment."""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cron_daemon import FAKETIME, PACKAGES, CronDaemon, cron_can_run
from services import require_if_asked

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.cron_expression import MACROS, parse_cron

WAITING = """
name = "slow"
[problem]
kind = "failing_problems:Waiting"
go = "{go}"
[search]
method = "sobol"
starts = 4
[resources]
num_ranks = 1
"""
PROBE = "(env; pwd; tty) > {probe} 2>&1"


@pytest.fixture
def cron(tmp_path):
    require_if_asked("cron", PACKAGES, cron_can_run)
    daemon = CronDaemon.start(tmp_path, "PATH=/nonexistent")
    yield daemon
    daemon.stop()


@pytest.fixture
def schedule(cron, tmp_path):
    variables = {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }

    def call(*arguments):
        command = [sys.executable, "-m", "hybrid_parsl", "schedule", *arguments]
        done = cron(*command, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def runs(schedule, name):
    return json.loads(schedule("history", name, "--json"))["runs"]


def outcomes(schedule, name):
    return [run["outcome"] for run in runs(schedule, name)]


def test_cron_takes_what_we_take_and_refuses_what_we_refuse(cron):
    good = ["0 2 * * mon-fri", "0 2 * * Mon,WED,5-7", "0-58/2,59 */7 1-31/5 jan,3-DEC/2 *", *MACROS]
    for text in good:
        parse_cron(text)
        assert cron("crontab", "-", text=f"{text} true\n").returncode == 0, text
    bad = ["60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "5/10 * * * *"]
    for text in (*bad, "*/0 * * * *", "0 0 * * ?", "0 0 L * *", "0 0 * * Monday", "@dayly"):
        with pytest.raises(ConfigurationError):
            parse_cron(text)
        assert cron("crontab", "-", text=f"{text} true\n").returncode != 0, text


def test_the_lines_of_others_stay_as_they_are_to_the_byte(cron, schedule, tmp_path):
    def table():
        return (tmp_path / "spool" / "root").read_bytes().split(b"\n", 3)[3]  # below cron's head

    before = b"# mine\r\n* * * * * printf '\\r' # \xff\n\n \t# last\n"
    (tmp_path / "mine").write_bytes(before)
    assert cron("crontab", str(tmp_path / "mine")).returncode == 0
    schedule("add", "0 2 * * *", "bell")
    assert table().startswith(before)
    assert table().removeprefix(before).startswith(b"0 2 * * * ")
    schedule("remove", "bell")
    assert table() == before


@pytest.mark.timeout(1200)
def test_each_minute_three_runs_or_one_run_and_two_refusals(cron, schedule, tmp_path):
    go, probe = tmp_path / "go", tmp_path / "probe"
    (tmp_path / "slow.toml").write_text(WAITING.format(go=go))
    before = f"# mine\nMAILTO=me\n* * * * * {PROBE.format(probe=probe)}\n"
    assert cron("crontab", "-", text=before).returncode == 0
    each_minute = ["add", "* * * * *", "--runs-dir", str(tmp_path / "runs")]
    schedule(*each_minute, "bell", "--name", "quick", "--keep", "2")
    schedule(*each_minute, str(tmp_path / "slow.toml"), "--env", "PYTHONPATH")
    assert cron("crontab", "-l").stdout.startswith(before)

    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and (
        outcomes(schedule, "quick").count("completed") < 3
        or outcomes(schedule, "slow").count("refused") < 2
    ):
        time.sleep(20)
    while not 20 <= time.time() % 60 <= 45:  # a run that cron is beginning would miss its schedule
        time.sleep(1)
    schedule("remove", "quick")
    schedule("remove", "slow")
    assert cron("crontab", "-l").stdout == before
    go.touch()
    while time.monotonic() < deadline and "running" in (
        *outcomes(schedule, "quick"),
        *outcomes(schedule, "slow"),
    ):
        time.sleep(5)

    attempts, slow = runs(schedule, "quick"), runs(schedule, "slow")
    quick = [run for run in attempts if run["outcome"] != "refused"]  # longer than a minute
    assert {run["outcome"] for run in quick} == {"completed"}
    assert [run["outcome"] for run in slow][:3] == ["completed", "refused", "refused"]
    assert len({run["energy"] for run in quick}) == 1
    assert not any(note for run in (*attempts[:3], *slow[:3]) for note in run["notes"])
    minutes = [re.sub(r":\d\d\+.*", "", run["started"]) for run in (*attempts, *slow)]
    assert len(set(minutes)) == max(len(attempts), len(slow))
    check_the_environment(probe.read_text())
    check_the_rotation(quick, tmp_path / "runs")
    check_the_mails(cron.mails(), {"quick": attempts, "slow": slow})


def check_the_environment(told):
    assert "PATH=/usr/bin:/bin" in told
    assert "PYTHONPATH" not in told
    assert "XDG" not in told
    assert "not a tty" in told


def check_the_rotation(quick, folder):
    there = [Path(run["run"]).exists() for run in quick]
    assert there == [False] * (len(quick) - 2) + [True, True]
    assert len([path for path in folder.iterdir() if "bell" in path.name]) == 2


def check_the_mails(mails, attempts):
    expected = [
        rf"error: schedule '{name}' is still running: process \d+ on \S+, run \S+ begun .*"
        for name, runs_of_name in attempts.items()
        for run in runs_of_name
        if run["outcome"] == "refused"
    ]
    bodies = [mail.partition("\n\n")[2].strip() for mail in mails]
    assert len(bodies) == len(expected)  # those that succeed are silent
    for body, pattern in zip(sorted(bodies), expected, strict=True):
        assert re.fullmatch(pattern, body)


@pytest.mark.timeout(1200)
def test_a_planned_time_that_daylight_saving_skips(cron, schedule, tmp_path, monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", "")  # for the driver: its clock is the true one
    arguments = ["--runs-dir", str(tmp_path / "runs"), "--env", "LD_PRELOAD"]
    schedule("add", "30 2 * * *", "bell", "--name", "half-past", *arguments)
    schedule("add", "* * * * *", "bell", "--name", "each", *arguments)
    cron.stop()
    begin = datetime(2027, 3, 28, 1, 58, 50, tzinfo=ZoneInfo("Europe/Berlin"))
    clock = [
        f"LD_PRELOAD={FAKETIME}",
        f"FAKETIME=+{round(begin.timestamp() - time.time())}",
        "TZ=Europe/Berlin",
    ]
    table = tmp_path / "spool" / "root"
    table.write_text("".join(f"{each}\n" for each in clock) + table.read_text())
    cron.process = CronDaemon.start(tmp_path, *clock).process
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and outcomes(schedule, "half-past") != ["completed"]:
        time.sleep(10)
    schedule("remove", "half-past")
    schedule("remove", "each")
    (skipped,) = runs(schedule, "half-past")
    assert skipped["started"].startswith("2027-03-28T03:00:")
    assert skipped["started"].endswith("+02:00")
    assert skipped["notes"] == ["its planned time did not exist that day: the clock went over it"]
    before, after = runs(schedule, "each")[:2]
    assert before["started"].startswith("2027-03-28T01:59:")
    assert after["started"].startswith("2027-03-28T03:00:")
    change = "local time went from UTC+01:00 to UTC+02:00"
    on_a_busy_machine = [f"{change} during this run"]  # the first takes longer than its minute
    assert (before["notes"], after["notes"]) in (([], [change]), (on_a_busy_machine, []))
