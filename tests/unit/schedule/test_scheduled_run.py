"""Schedules carried out as cron does it: another folder, no variables, no terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from waiting import PATIENCE_S

from hybrid_parsl.schedule.crontab import command_words
from hybrid_parsl.schedule.definition import read_definition, write_definition
from hybrid_parsl.schedule.scheduled_run import current_attempts

ROOT = Path(__file__).parents[3]
EXPERIMENT = """
name = "tried"
[problem]
kind = "{kind}"
{keys}
[search]
method = "draw"
starts = 1
[resources]
num_ranks = 2
"""
SECRET = "xyzzy-7f3a"


SITE = '''
from parsl import Config
from hybrid_parsl import labels
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.site_settings import SiteSettings


class Settings(SiteSettings):
    launcher: str = "none"


def config(run, settings):
    """Return executors of which the first needs the setting."""
    tasks = run.directory / "tasks"
    launchers = dict.fromkeys(labels.ALL, "single") | {labels.MPI: settings.launcher}
    executors = [
        PsiJExecutor(label, tasks, backend="local", launcher=launchers[label])
        for label in labels.ALL
    ]
    return Config(executors=executors, run_dir=str(run.directory / "parsl"))
'''


class Cron:
    """Starts a schedule as cron does."""

    def __init__(self, definition: Path) -> None:
        self.definition = definition
        self.home = "/"
        self.state = Path(read_definition(definition).state)

    def start(self):
        return subprocess.Popen(
            command_words(str(self.definition)),
            cwd=self.home,
            env={"PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self):
        process = self.start()
        out, err = process.communicate(timeout=PATIENCE_S)
        assert out == ""
        return process.returncode, err

    def attempts(self):
        return current_attempts(self.state)

    def wait_for_run(self):
        """Wait until the attempt under way has begun its run, and return its folder."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = [each.run for each in self.attempts() if each.outcome == "running"]
            if found and found[0] and (Path(found[0]) / "results.json").exists():
                return Path(found[0])
            time.sleep(0.05)
        raise TimeoutError


@pytest.fixture
def schedule(monkeypatch, tmp_path, make_schedule):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def make(kind="bell", keys="", **values):
        path = tmp_path / "tried.toml"
        path.write_text(EXPERIMENT.format(kind=kind, keys=keys))
        known = {
            "name": "nightly",
            "project": str(ROOT),
            "experiment": str(path),
            "environment": {"PYTHONPATH": str(ROOT / "tests/support")},
        }
        return Cron(write_definition(make_schedule(**{**known, **values})))

    return make


@pytest.mark.usefixtures("several_runs")
def test_a_run_succeeds_in_silence(schedule):
    cron = schedule(keep=1)
    assert cron() == (0, "")
    (attempt,) = cron.attempts()
    assert attempt.outcome == "completed"
    assert not attempt.by_hand
    document = json.loads((Path(attempt.run) / "results.json").read_text())
    assert document["search"]["energy"] == attempt.energy


@pytest.mark.usefixtures("several_runs")
def test_a_file_of_the_home_folder_does_not_shadow_the_standard_library(schedule, tmp_path):
    for name in ("random.py", "json.py", "multiprocessing.py", "numpy.py", "signal.py"):
        (tmp_path / name).write_text(f"raise RuntimeError('imported {name}')\n")
    cron = schedule(folder=str(tmp_path), runs_dir=str(tmp_path))
    cron.home = tmp_path
    assert cron() == (0, "")


@pytest.mark.usefixtures("several_runs")
def test_a_run_has_the_site_settings_that_its_schedule_keeps(schedule, tmp_path):
    site = tmp_path / "ours.py"
    site.write_text(SITE)
    cron = schedule(site=str(site), settings={"launcher": "mpirun"})
    (tmp_path / "config/hybrid-parsl/sites.toml").write_text('[ours]\nlauncher = "none"\n')
    assert cron() == (0, "")
    record = json.loads((Path(cron.attempts()[0].run) / "site.json").read_text())
    assert record["settings"] == {"launcher": "mpirun"}


@pytest.mark.usefixtures("several_runs")
def test_a_stage_that_fails_is_told_in_one_line_by_command_and_by_exit_code(schedule, tmp_path):
    told = tmp_path / "told.json"
    cron = schedule("failing_problems:BrokenCircuit", on_failure=f"cat > '{told}'")
    code, err = cron()
    assert code == 4
    assert len(err.splitlines()) == 1
    (attempt,) = cron.attempts()
    assert "schedule nightly: failed: error in the " in err
    assert "out of order" in err
    assert err.rstrip().endswith(f"see {attempt.run}")
    assert json.loads(told.read_text())["exit_code"] == 4
    assert json.loads(told.read_text())["run"] == attempt.run
    assert "out of order" in attempt.message


@pytest.mark.usefixtures("thorough")
def test_secrets_are_given_to_the_run_and_stay_out_of_everything_else(schedule, tmp_path):
    secrets = tmp_path / "secrets"
    secrets.write_text(f"MY_TOKEN={SECRET}\n")
    secrets.chmod(0o600)
    seen = tmp_path / "seen"
    cron = schedule(
        experiment=str(tmp_path / "missing.toml"),
        environment_file=str(secrets),
        on_failure=f"test -n \"$MY_TOKEN\" && ps -eo args > '{seen}'",
    )
    code, err = cron()
    assert code == 2
    assert "could not be reported" not in err
    assert SECRET not in err
    assert SECRET not in seen.read_text()
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != secrets]
    assert len(files) > 3
    assert [path for path in files if SECRET in path.read_text()] == []


@pytest.mark.usefixtures("thorough")
def test_a_failure_that_nobody_could_be_told_of_says_so(schedule, tmp_path):
    cron = schedule(experiment=str(tmp_path / "missing.toml"), on_failure="exit 3")
    code, err = cron()
    assert code == 2
    assert len(err.splitlines()) == 1
    assert re.search(r"no such experiment.*could not be reported: .* exit code 3", err)


@pytest.mark.usefixtures("several_runs")
def test_a_second_run_is_refused_and_the_lock_of_a_dead_one_is_taken_over(schedule, tmp_path):
    go = tmp_path / "go"
    cron = schedule("failing_problems:Waiting", f'go = "{go}"')
    first = cron.start()
    run = cron.wait_for_run()
    code, err = cron()
    assert code == 6
    holder = rf"process {first.pid} on \S+, run {run.name} begun [-0-9: +]+"
    assert re.fullmatch(
        f"error: schedule 'nightly' is still running: {holder} holds its lock\n", err
    )
    drivers = psutil.Process(first.pid).children(recursive=True)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    psutil.wait_procs(drivers, timeout=PATIENCE_S)
    assert not [each for each in drivers if each.is_running()]
    go.touch()
    assert cron() == (0, "")
    outcomes = [each.outcome for each in cron.attempts()]
    assert outcomes == ["lost", "refused", "completed"]


@pytest.mark.usefixtures("several_runs")
def test_a_run_is_stopped_at_its_deadline(schedule, tmp_path):
    cron = schedule("failing_problems:Waiting", f'go = "{tmp_path / "never"}"', deadline="1s")
    code, err = cron()
    assert code == 4
    assert "deadline: was stopped at its deadline of 1 s" in err
    assert [each.outcome for each in cron.attempts()] == ["deadline"]


@pytest.mark.usefixtures("several_runs")
@pytest.mark.parametrize(
    ("victim", "number", "code", "outcome"),
    [("schedule", signal.SIGTERM, 143, "interrupted"), ("driver", signal.SIGKILL, 137, "killed")],
)
def test_a_run_that_is_ended_from_outside(schedule, tmp_path, victim, number, code, outcome):
    cron = schedule("failing_problems:Waiting", f'go = "{tmp_path / "never"}"')
    process = cron.start()
    run = cron.wait_for_run()
    (driver,) = psutil.Process(process.pid).children()
    os.kill({"schedule": process.pid, "driver": driver.pid}[victim], number)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    assert not driver.is_running()
    (attempt,) = cron.attempts()
    assert (attempt.outcome, attempt.exit_code) == (outcome, code)
    assert err.startswith(f"hybrid-parsl schedule nightly: {outcome}: ")
    assert err.rstrip().endswith(str(run))
    if outcome == "interrupted":
        assert json.loads((run / "results.json").read_text())["run"]["status"] == outcome


@pytest.mark.usefixtures("thorough")
def test_a_failure_is_in_the_history_before_anybody_is_told_of_it(schedule, tmp_path):
    told = tmp_path / "told"
    cron = schedule(
        experiment=str(tmp_path / "missing.toml"), on_failure=f"touch '{told}'; sleep 3"
    )
    process = cron.start()
    deadline = time.monotonic() + PATIENCE_S
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [each.outcome for each in cron.attempts()] == ["failed"]
    os.kill(process.pid, signal.SIGTERM)  # comes too late to change anything
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    (attempt,) = cron.attempts()
    assert attempt.outcome == "failed"
