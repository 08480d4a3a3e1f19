from __future__ import annotations

import io
import os
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from hybrid_parsl.cli import display as display_module
from hybrid_parsl.cli.display import Display, LiveDisplay, PlainDisplay, make_display
from hybrid_parsl.engine.jobs.record import TASK_RECORD, JobRecord
from hybrid_parsl.engine.jobs.waiting import note_waiting
from hybrid_parsl.engine.sites import Site
from hybrid_parsl.errors import StorageError
from hybrid_parsl.experiment import Experiment, ReadFrom
from hybrid_parsl.optimize.journal import Journal
from hybrid_parsl.optimize.start import Start
from hybrid_parsl.project import Project
from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.runner import Run
from hybrid_parsl.tasks.folder import TaskFolder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    table = {"name": "x", "problem": {"kind": "bell"}, "search": {"starts": 8, "method": "draw"}}
    path = tmp_path / "1-bell"
    (path / "tasks" / "search").mkdir(parents=True)
    site = Site("here", "here.py", "", lambda _: None)
    return Run(Experiment.model_validate(table), Project(tmp_path), site, RunDirectory(path))


def reads_a_file(run: Run) -> Run:
    """Return the run of a problem that was read from a file."""
    read_from = ReadFrom(
        file="cut.mc", format="rudy", holds="graph", nodes=6, edges=8, first_node=1
    )
    problem = run.experiment.problem.model_copy(update={"read_from": read_from})
    return replace(run, experiment=run.experiment.model_copy(update={"problem": problem}))


def write_starts(run: Run, *energies: float) -> None:
    journal = Journal(run.directory.path / "tasks" / "search", "key")
    journal.append(0, [Start(index, energy, [], [], 1) for index, energy in enumerate(energies)])


TASKS = {
    "search": {"label": "mpi", "total": 8},
    "quantum": {"label": "quantum"},
    "analysis": {"label": "analysis"},
}


def start(display: Display, name: str) -> None:
    """Let a display know of a task that starts at once."""
    display.stage_added(name, TASKS[name])
    display.stage_started(name)


def lines(text: str) -> list[str]:
    """Return the lines without the time in front of each."""
    found = [re.fullmatch(r"\[ *\d+\.\d\d s\] (.*)", line) for line in text.splitlines()]
    assert all(found)
    return [match[1] for match in found if match]


def test_plain_lines_tell_how_a_run_goes(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with PlainDisplay(run) as display:
        start(display, "search")
        display.tick()
        write_starts(run, -0.5, -0.75)
        display.tick()
        display.stage_finished("search", 2.0)
        display.tick()
        start(display, "quantum")
        display.tick()
        display.stage_finished("quantum", 0.123)
    told = [re.sub(r", [\d.]+/s", "", line) for line in lines(capsys.readouterr().out)]
    assert told == [
        "run 1-bell on site here",
        "bell, draw, 8 starts",
        "search: started",
        "search: 0/8 starts",
        "search: 2/8 starts, best energy -0.75",
        "search: finished in 2.00 s (2/8 starts, best energy -0.75)",
        "quantum: started",
        "quantum: running",
        "quantum: finished in 0.12 s",
    ]


READ = "read cut.mc: graph, format rudy, 6 nodes, 8 edges, counted from 1, which is qubit 0"


def test_the_first_lines_say_what_was_read(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with PlainDisplay(reads_a_file(run)):
        pass
    assert lines(capsys.readouterr().out)[2] == READ


def test_the_live_display_says_what_was_read(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with LiveDisplay(reads_a_file(run)):
        pass
    assert capsys.readouterr().out.startswith(READ)


def test_the_rate_is_that_of_this_try(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_starts(run, -0.5, -0.6, -0.7, -0.8)
    with PlainDisplay(run) as display:
        start(display, "search")
        write_starts(run, -0.9, -1.0)
        display.stage_finished("search", 2.0)
    told = lines(capsys.readouterr().out)[-1]
    assert told == "search: finished in 2.00 s (6/8 starts, best energy -1, 1.0/s)"


def test_a_search_whose_starts_are_out_of_sight(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with PlainDisplay(run) as display:
        start(display, "search")
        display.stage_finished("search", 2.0)
    assert lines(capsys.readouterr().out)[-1] == "search: finished in 2.00 s (8 starts)"


def test_what_a_slow_search_waits_for(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display_module, "_USUAL_START_S", 0.0)
    folder = run.directory.path / "tasks" / "search"
    with PlainDisplay(run) as display:
        start(display, "search")
        display.tick()
        JobRecord.of("slurm", "a-name").with_id("123", None).write(folder / TASK_RECORD)
        display.tick()
        TaskFolder(folder).waiting.write_text("Unschedulable: no node is free\n")
        display.tick()
        TaskFolder(folder).ranks.write_text("[]")
        display.tick()
    assert lines(capsys.readouterr().out)[3:] == [
        "search: 0/8 starts (nothing heard yet from its ranks)",
        "search: 0/8 starts (nothing heard yet from job 123)",
        "search: 0/8 starts (job 123 waits in the queue: Unschedulable: no node is free)",
        "search: 0/8 starts (compiling the kernels)",
    ]


def test_a_search_whose_job_was_put_back_into_the_queue(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.directory.path / "tasks" / "search"
    with PlainDisplay(run) as display:
        start(display, "search")
        JobRecord.of("slurm", "a-name").with_id("123", None).write(folder / TASK_RECORD)
        ranks = TaskFolder(folder).ranks
        ranks.write_text("[]")
        os.utime(ranks, (1000, 1000))
        write_starts(run, -0.5, -0.6)
        display.tick()
        note_waiting(folder / TASK_RECORD, "BeginTime")
        display.tick()
    told = [re.sub(r", [\d.]+/s", "", line) for line in lines(capsys.readouterr().out)]
    assert told[3:] == [
        "search: 2/8 starts, best energy -0.6",
        "search: 2/8 starts (job 123 waits in the queue: BeginTime)",
    ]


def test_a_stage_whose_block_waits(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    scripts = run.directory.path / "parsl" / "000" / "submit_scripts"
    scripts.mkdir(parents=True)
    record = scripts / "parsl.quantum.block-0.1.block.json"
    JobRecord.of("slurm", "a-name").with_id("7", None).write(record)
    note_waiting(record, "Priority")
    with PlainDisplay(run) as display:
        start(display, "quantum")
        display.tick()
        note_waiting(record, None)
        display.tick()
    assert lines(capsys.readouterr().out)[3:] == [
        "quantum: its block, job 7 waits in the queue: Priority",
        "quantum: running",
    ]


def test_a_stage_that_tells_how_far_it_is(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run.directory.path / "tasks" / "quantum"
    folder.mkdir()
    with PlainDisplay(run) as display:
        start(display, "quantum")
        TaskFolder(folder).progress.write_text("1 of 2 halves\n")
        display.tick()
        display.stage_finished("quantum", 0.123)
    assert lines(capsys.readouterr().out)[3:] == [
        "quantum: 1 of 2 halves",
        "quantum: finished in 0.12 s",
    ]


def test_a_search_that_goes_on_and_has_not_begun(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display_module, "_USUAL_START_S", 0.0)
    write_starts(run, -0.5, -0.6)
    with PlainDisplay(run) as display:
        start(display, "search")
        display.tick()
    assert lines(capsys.readouterr().out)[-1] == (
        "search: 2/8 starts (nothing heard yet from its ranks)"
    )


def test_the_summary_of_plain_lines(
    run: Run, document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    PlainDisplay(run).summary(document)
    assert "ratio to optimum" in capsys.readouterr().out


def test_a_quiet_display_says_nothing(
    run: Run, document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with Display(run) as display:
        start(display, "search")
        display.tick()
        display.stage_finished("search", 1.0)
        display.summary(document)
    assert capsys.readouterr() == ("", "")


def test_the_live_table_shows_every_stage(run: Run) -> None:
    display = LiveDisplay(run)
    start(display, "search")
    write_starts(run, -0.5)
    display.stage_finished("search", 2.0)
    start(display, "quantum")
    display.stage_added("analysis", TASKS["analysis"])
    file = io.StringIO()
    Console(file=file, width=120).print(display._table())
    text = file.getvalue()
    assert re.search(r"✓ +search +2\.0 s +1/8 starts, best energy -0\.5, 0\.5/s", text)
    assert re.search(r"quantum +0\.\d s", text)
    assert re.search(r"· +analysis", text)


def test_a_reused_result_is_told_with_its_run(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    file = io.StringIO()
    with PlainDisplay(run) as plain:
        live = LiveDisplay(run)
        for display in (plain, live):
            display.stage_added("search", TASKS["search"])
            display.stage_reused("search", "0-bell")
            display.tick()
    assert lines(capsys.readouterr().out)[2:] == ["search: reused from run 0-bell"]
    Console(file=file, width=120).print(live._table())
    assert re.search(r"✓ +search +0\.0 s +reused from run 0-bell", file.getvalue())


def test_the_display_fits_where_the_output_goes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(make_display(run, quiet=True, as_json=False)) is Display
    assert type(make_display(run, quiet=False, as_json=True)) is Display
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert type(make_display(run, quiet=False, as_json=False)) is PlainDisplay
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert type(make_display(run, quiet=False, as_json=False)) is PlainDisplay
    monkeypatch.setenv("TERM", "xterm")
    assert type(make_display(run, quiet=False, as_json=False)) is LiveDisplay


def test_an_output_that_cannot_be_written_ends_no_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: str) -> None:
        raise StorageError("the standard output", "No space left on device")

    monkeypatch.setattr(display_module, "say", fail)
    with PlainDisplay(run) as display:
        start(display, "search")
    told = "cannot write the standard output: No space left on device; the run goes on in "
    assert capsys.readouterr().err.startswith(f"{told}{run.directory.path}\n")


def test_a_search_that_was_finished_before_has_no_rate(run: Run) -> None:
    write_starts(run, -0.5, -0.75)
    display = Display(run)
    start(display, "search")
    display.stage_finished("search", 2.0)
    assert display._text("search") == "2/8 starts, best energy -0.75"


def test_a_task_that_has_failed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with PlainDisplay(run) as display:
        start(display, "quantum")
        display.stage_failed("quantum", "no shots")
        display.tick()
    assert lines(capsys.readouterr().out)[2:] == ["quantum: started", "quantum: failed: no shots"]
