from __future__ import annotations

import json
import os
import shlex
import socket
import sys
from pathlib import Path

import pytest

from hybrid_parsl.records.run_lock import Driver, run_lock
from hybrid_parsl.schedule.attempts import History
from hybrid_parsl.schedule.clock import Moment
from hybrid_parsl.schedule.definition import make_private_folder, state_folder
from hybrid_parsl.schedule.scheduled_run import LOCK

FAKE = """#!/bin/sh
case $1 in
-l) cat {table} 2>/dev/null || {{ echo no crontab for me >&2; exit 1; }} ;;
-r) rm {table} ;;
-) cat > {table} ;;
esac
"""


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def crontab(home, monkeypatch):
    """Put a crontab command of our own first; the real one is tried in tests/integration."""
    table, program = home / "table", home / "bin" / "crontab"
    program.parent.mkdir()
    program.write_text(FAKE.format(table=table))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return table


@pytest.mark.usefixtures("thorough")
def test_what_is_added_is_listed_and_removed(command, crontab):
    crontab.write_text("0 1 * * * mine\n")
    said = command("schedule", "add", "0 2 * * *", "bell", "--name", "nightly")
    assert "first at" in said
    line = crontab.read_text().splitlines()[1]
    words = shlex.split(line)
    assert words[:5] == ["0", "2", "*", "*", "*"]
    assert words[5:10] == [sys.executable, "-P", "-m", "hybrid_parsl", "schedule"]
    assert Path(words[-1]).is_file()
    (row,) = json.loads(command("schedule", "list", "--json"))
    assert (row["name"], row["times"], row["crontab"]) == ("nightly", "0 2 * * *", "yes")
    assert row["last"] == "never"
    assert "its line in the crontab" in command("schedule", "remove", "nightly")
    assert crontab.read_text() == "0 1 * * * mine\n"
    assert json.loads(command("schedule", "list", "--json")) == []


@pytest.mark.usefixtures("thorough")
def test_a_schedule_is_replaced_only_if_asked_to(command, crontab):
    command("schedule", "add", "0 2 * * *", "bell")
    command("schedule", "add", "0 3 * * *", "bell", code=2)
    assert "--replace" in command.err
    assert command("schedule", "add", "0 3 * * *", "bell", "--replace").startswith("replaced bell")
    assert [line[:9] for line in crontab.read_text().splitlines()] == ["0 3 * * *"]
    command("schedule", "remove", "bell")
    assert not crontab.exists()


@pytest.mark.usefixtures("thorough")
def test_what_was_only_printed_can_be_added_and_the_same_twice(command, crontab):
    line = command("schedule", "add", "0 2 * * *", "bell", "--print")
    for words in ("added bell", "bell is unchanged", "bell is unchanged"):
        said = command("schedule", "add", "0 2 * * *", "bell")
        assert said.startswith(words)
        assert said.endswith(line)
        assert crontab.read_text() == line
    (path,) = command.folder.glob("config/*/schedules/bell.toml")
    path.write_text("nonsense")
    command("schedule", "add", "0 2 * * *", "bell", code=2)
    assert "--replace" in command.err


@pytest.mark.usefixtures("thorough")
def test_a_line_with_a_redirection_of_the_user_is_unchanged(command, crontab):
    command("schedule", "add", "0 2 * * *", "bell")
    crontab.write_text(f"{crontab.read_text().strip()} > log\n")
    assert "unchanged" in command("schedule", "add", "0 2 * * *", "bell")
    assert crontab.read_text().endswith(" > log\n")


@pytest.mark.usefixtures("thorough", "crontab")
def test_the_list_fits_100_columns_and_names_the_scheduler(command):
    command("schedule", "add", "30 2 * * 1-5", "maxcut", "--name", "crontab-job")
    command("schedule", "add", "30 2 * * 1-5", "maxcut", "--name", "printed-job", "--print")
    more = ["--format", "systemd", "--timezone", "Europe/Berlin"]
    command("schedule", "add", "30 2 * * 1-5", "maxcut", "--name", "timer", *more)
    head, *lines = command("schedule", "list").splitlines()
    assert max(map(len, [head, *lines])) <= 100
    assert [line.split()[0] for line in lines] == ["crontab-job", "printed-job", "timer"]
    assert "not in the crontab" in lines[1]
    assert "systemd" in lines[2]
    rows = json.loads(command("schedule", "list", "--json"))
    assert [row["format"] for row in rows] == ["crontab", "crontab", "systemd"]
    assert rows[0]["experiment"].endswith("/maxcut.toml")


@pytest.mark.usefixtures("thorough", "home")
def test_how_to_remove_an_entry_that_was_printed(command):
    command("schedule", "add", "@daily", "bell", "--format", "systemd")
    said = command("schedule", "remove", "bell")
    assert "systemctl --user disable --now hybrid-parsl-bell.timer" in said


@pytest.mark.usefixtures("home")
def test_a_run_under_way_survives_the_removal_of_its_schedule(command):
    command("schedule", "add", "@daily", "bell", "--print")
    state = state_folder("bell")
    make_private_folder(state)
    with run_lock(state / LOCK, "schedule 'bell'"):
        driver = str(Driver(socket.gethostname(), os.getpid()))
        values = {"cron": "@daily", "timezone": None, "by_hand": False, "process": driver}
        History(state).append("started", "1", **Moment.now(None).to_json(), **values)
        said = command("schedule", "remove", "bell")
    assert "a run is under way and goes on: begun 20" in said


@pytest.mark.usefixtures("thorough")
def test_a_printed_entry_leaves_the_crontab_alone_and_works(command, crontab):
    assert "no schedules" in command("schedule", "list")
    said = command("schedule", "add", "@daily", "bell", "--print")
    assert not crontab.exists()
    assert Path(shlex.split(said)[-1]).is_file()
    assert "not in the crontab" in command("schedule", "remove", "bell")


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("kind", "words"),
    [("scrontab", "#SCRON --time="), ("systemd", "OnCalendar=*-*-* 02:00:00"), ("crontab", "0 2")],
)
def test_entries_for_other_schedulers_are_printed(command, home, kind, words):
    said = command("schedule", "add", "0 2 * * *", "bell", "--print", "--format", kind)
    assert words in said
    assert str(home / "config/hybrid-parsl/schedules/bell.toml") in said


def test_a_cron_job_leaves_nothing_here(command, home):
    said = command("schedule", "add", "0 2 * * *", "bell", "--format", "kubernetes")
    assert "kind: CronJob" in said
    assert not (home / "config").exists()


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["0 25 * * *", "bell"], "hour"),
        (["@daily", "bel"], "did you mean 'bell'"),
        (["@daily", "bell", "--site", "slurn"], "did you mean 'slurm'"),
        (["@daily", "bell", "--name", "My Bell"], "did you mean 'my-bell'"),
        (["@daily", "bell", "--deadline", "soon"], "90s"),
        (["@daily", "bell", "--deadline", "0s"], "more than 0s"),
        (["@daily", "bell", "--deadline", "90"], "write 90s for seconds, or 90min"),
        (["@daily", "bell", "--on-failure", "ftp://x"], "http:// or https://"),
        (["@daily", "bell", "--on-failure", ""], "is empty"),
        (["@daily", "bell", "--timezone", "Europe/Berlin"], "knows no time zone"),
        (["@daily", "bell", "--timezone", "Mars/X", "--format", "systemd"], "IANA"),
        (["@daily", "bell", "--set", "search.stars=1"], "did you mean 'starts'"),
        (["@daily", "bell", "--env-file", "missing"], "cannot be read"),
    ],
)
def test_what_a_run_would_refuse_is_refused_at_once(command, home, arguments, words):
    command("schedule", "add", *arguments, "--print", code=2)
    assert words in command.err
    assert not (home / "config").exists()


def test_without_cron_there_are_other_schedulers(command, home, monkeypatch):
    monkeypatch.setenv("PATH", str(home))
    command("schedule", "add", "@daily", "bell", code=2)
    assert "systemd" in command.err
    assert json.loads(command("schedule", "list", "--json")) == []


@pytest.mark.usefixtures("thorough")
def test_no_secret_gets_into_an_entry(command, home):
    (home / "secrets").write_text("TOKEN=hidden\n")
    (home / "secrets").chmod(0o600)
    told = ["--env-file", "secrets", "--on-failure", "https://hooks/hidden"]
    for kind in ("crontab", "scrontab", "systemd"):
        arguments = ["schedule", "add", "@daily", "bell", "--print", "--replace", "--format", kind]
        assert "hidden" not in command(*arguments, *told)
    assert "hidden" not in command("schedule", "list", "--json")


def test_a_history_with_its_page(command, home):
    command("schedule", "add", "@daily", "bell", "--print")
    assert "not run yet" in command("schedule", "history", "bell", "--page", "page.html")
    assert (home / "page.html").read_text().startswith("<!doctype html>")
    assert json.loads(command("schedule", "history", "bell", "--json"))["runs"] == []


@pytest.mark.usefixtures("thorough")
def test_a_run_by_its_name_is_one_by_hand(command, home):
    (home / "mine.toml").write_text(
        'name = "mine"\n[problem]\nkind = "bell"\n[search]\nmethod = "draw"\n'
    )
    command("schedule", "add", "@yearly", "mine.toml", "--print")
    (home / "mine.toml").unlink()
    command("schedule", "run", "mine", code=2)
    (found,) = json.loads(command("schedule", "history", "mine", "--json"))["runs"]
    assert found["by_hand"]
    assert found["notes"] == []


def test_a_schedule_that_somebody_broke_is_listed_as_such(command, home):
    command("schedule", "add", "@daily", "bell", "--print")
    (home / "config/hybrid-parsl/schedules/bell.toml").write_text("nonsense")
    (row,) = json.loads(command("schedule", "list", "--json"))
    assert row["last"].startswith("broken")
    command("schedule", "run", "bell", code=2)
    assert "cannot be read" in command.err


def test_nothing_but_a_schedule_is_removed(command, crontab, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text("name = 'x'\n")
    for name in (str(mine), "mine.toml", "./nothing/here.txt", "nightly"):
        command("schedule", "remove", name, code=2)
    assert mine.read_text() == "name = 'x'\n"
    assert not crontab.exists()


@pytest.mark.usefixtures("thorough", "crontab")
def test_a_crontab_that_refuses_leaves_the_earlier_schedule(command, home):
    command("schedule", "add", "0 2 * * *", "bell", "--name", "nightly")
    (file,) = (home / "config").rglob("nightly.toml")
    before = file.read_text()
    program = home / "bin" / "crontab"
    program.write_text(program.read_text().replace("-) cat", "-) exit 1; cat"))
    command("schedule", "add", "0 5 * * *", "maxcut", "--name", "nightly", "--replace", code=2)
    assert file.read_text() == before


@pytest.mark.usefixtures("thorough")
def test_a_schedule_of_another_scheduler_that_is_in_the_crontab_too(command, crontab):
    command("schedule", "add", "0 2 * * *", "bell", "--name", "nightly")
    more = ["--name", "nightly", "--replace", "--format", "systemd"]
    command("schedule", "add", "0 2 * * *", "bell", *more)
    assert command.err == "nightly is in the crontab, too: take its line out with crontab -e\n"
    assert crontab.read_text()


def test_a_schedule_keeps_the_site_settings_of_another_home(command, home, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "other"))
    settings = home / "other/hybrid-parsl/sites.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[slurm]\naccount = "physics"\n')
    command("schedule", "add", "@daily", "bell", "--site", "slurm", "--print")
    assert command.err == "the runs keep the site settings that are in force now: account\n"
    assert "physics" in (settings.parent / "schedules/bell.toml").read_text()
    assert "account is" not in command("schedule", "list")
    settings.write_text('[slurm]\naccount = "chemistry"\n')
    for arguments in (["list"], ["history", "bell"]):
        said = command("schedule", *arguments)
        assert "bell: account is 'chemistry' now; the schedule keeps 'physics'" in said
    (row,) = json.loads(command("schedule", "list", "--json"))
    assert len(row["changed"]) == 1
