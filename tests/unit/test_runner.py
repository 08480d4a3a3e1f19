from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from pydantic import create_model

from hybrid_parsl.engine.jobs.record import JobRecord
from hybrid_parsl.engine.signals import TerminatedError, terminable
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.project import find_project
from hybrid_parsl.records.run_directory import RESULTS, RunDirectory
from hybrid_parsl.run_plan import plan_run
from hybrid_parsl.runner import Run
from hybrid_parsl.workflow import Workflow

ROOT = Path(__file__).parents[2]


class Silence:
    """An observer that no stage calls."""

    interval_s = 0.1

    def tick(self) -> None:
        """Do nothing."""


class EndedInWriting(RunDirectory):
    """A folder whose process is told to end when it has written the file `ended_in`."""

    ended_in = ""

    def write(self, name: str, text: str) -> Path:
        path = super().write(name, text)
        if name == self.ended_in:
            os.kill(os.getpid(), signal.SIGTERM)
        return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    plan = plan_run("bell", "local", find_project(ROOT), runs=tmp_path)
    directory = EndedInWriting(RunDirectory.create(tmp_path, "bell").path)
    return Run(plan.experiment, plan.project, plan.site, directory)


@pytest.mark.parametrize("name", [RESULTS, "experiment.toml"])
def test_a_run_that_is_told_to_end_while_it_begins_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(EndedInWriting, "ended_in", name)
    with pytest.raises(TerminatedError), terminable():
        run.execute(Silence())
    document = run.directory.read_results()
    assert document["run"]["status"] == "interrupted"
    assert document["error"] == {"type": "TerminatedError", "message": "SIGTERM"}
    assert "interrupted" in (run.directory.path / "report.html").read_text()
    assert document["run"]["exit_code"] == 143
    assert RunDirectory.find(run.directory.path.parent, "latest").path == run.directory.path


def test_the_exit_code_of_a_run_says_that_a_job_may_run_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run.directory.write("tasks/search/job.json", "")
    JobRecord.of("slurm", "name").with_cancellation("no answer").write(path)
    monkeypatch.setattr(EndedInWriting, "ended_in", "experiment.toml")
    with pytest.raises(TerminatedError), terminable():
        run.execute(Silence())
    assert run.directory.read_results()["run"]["exit_code"] == 3


def test_a_run_that_is_refused_leaves_no_folder(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ConfigurationError("cannot be used", "site")

    monkeypatch.setattr("hybrid_parsl.engine.session.check_config", refuse)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        run.execute(Silence())
    assert list(run.directory.path.parent.iterdir()) == []


def test_a_run_that_had_begun_before_keeps_its_folder_when_it_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.prepare()
    document = run.directory.read_results()
    document["run"]["drivers"] = 1
    run.directory.write_json(RESULTS, document)
    run.earlier = document

    def refuse(*_: object) -> None:
        raise ConfigurationError("cannot be used", "site")

    monkeypatch.setattr("hybrid_parsl.engine.session.check_config", refuse)
    with pytest.raises(ConfigurationError):
        run.execute(Silence())
    assert run.directory.read_results()["run"]["status"] == "failed"


def test_a_run_that_is_told_to_end_before_it_has_begun_leaves_no_results(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EndedInWriting, "ended_in", "site.json")
    with pytest.raises(TerminatedError), terminable():
        run.execute(Silence())
    assert not (run.directory.path / RESULTS).exists()


def test_a_run_that_is_told_to_end_after_its_last_stage_is_written_down_whole(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EndedInWriting, "ended_in", "report.html")

    nothing = Workflow("pipeline", lambda _: None, create_model("pipeline"))
    monkeypatch.setattr("hybrid_parsl.runner.find_workflow", lambda *_: nothing)
    with terminable():
        document = run.execute(Silence())
    assert document["run"]["status"] == "completed"
    assert run.directory.read_results() == document
