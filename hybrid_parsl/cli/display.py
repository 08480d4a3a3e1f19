"""What a user sees while a run is under way: a live table, plain lines, or nothing."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

from hybrid_parsl.cli.output import make_console, say, say_aside
from hybrid_parsl.cli.summary import print_summary
from hybrid_parsl.engine.jobs.record import JobRecord, record_of_task
from hybrid_parsl.engine.jobs.waiting import words_of_wait
from hybrid_parsl.errors import StorageError
from hybrid_parsl.experiment import DEFAULT_WORKFLOW
from hybrid_parsl.optimize.progress import SearchProgress
from hybrid_parsl.tasks.folder import TaskFolder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.table import Table

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.runner import Document

_USUAL_START_S = 3.0
_MOST_ROWS = 30


class ShownSite(Protocol):
    """A site, as far as it is shown."""

    @property
    def name(self) -> str:
        """Its name."""


class ShownRun(Protocol):
    """A run, as far as it is shown, whoever drives it."""

    @property
    def experiment(self) -> Experiment:
        """The experiment."""

    @property
    def site(self) -> ShownSite:
        """Where it runs."""

    @property
    def directory(self) -> RunDirectory:
        """What it leaves behind."""


def make_display(run: ShownRun, *, quiet: bool, as_json: bool) -> Display:
    """Return the display that fits where the output goes."""
    if quiet or as_json:
        return Display(run)
    is_dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return LiveDisplay(run) if sys.stdout.isatty() and not is_dumb else PlainDisplay(run)


class Display:
    """Shows nothing; the base of the others.

    Parameters
    ----------
    run
        What is shown.
    """

    interval_s = 3600.0

    def __init__(self, run: ShownRun) -> None:
        self._run = run
        self._begun = time.monotonic()
        self._tasks: dict[str, Mapping[str, Any]] = {}
        self._searches: dict[str, SearchProgress] = {}
        self._failed: dict[str, str] = {}
        self._durations: dict[str, float] = {}
        self._reused: dict[str, str] = {}
        self._running: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def stage_added(self, name: str, task: Mapping[str, Any]) -> None:
        """Note that the workflow has called an app."""
        self._tasks[name] = task
        if total := task.get("total"):
            self._searches[name] = SearchProgress(self._folder(name), total)

    def stage_started(self, name: str) -> None:
        """Note that a task has begun."""
        self._running[name] = time.monotonic()
        if name in self._searches:
            self._searches[name].update()

    def stage_finished(self, name: str, duration_s: float) -> None:
        """Note that a task has ended."""
        self._running.pop(name, None)
        self._durations[name] = duration_s

    def stage_reused(self, name: str, run: str) -> None:
        """Note that the result of a task is that of an earlier run."""
        self._running.pop(name, None)
        self._durations[name] = 0.0
        self._reused[name] = run

    def stage_failed(self, name: str, reason: str) -> None:
        """Note that a task has failed."""
        self._running.pop(name, None)
        self._failed[name] = reason

    def tick(self) -> None:
        """Do nothing."""

    def summary(self, document: Document) -> None:
        """Print nothing."""

    def _text(self, name: str) -> str:
        """Return how far a task has come."""
        if name in self._failed:
            return f"failed: {self._failed[name]}"
        if name in self._reused:
            return f"reused from run {self._reused[name]}"
        if name in self._searches:
            return self._search_text(name, self._searches[name])
        if name not in self._running:
            return ""
        return self._wait_of(name) or TaskFolder(self._folder(name)).progress_line()

    def _search_text(self, name: str, progress: SearchProgress) -> str:
        """Return how far a search has come."""
        progress.update()
        if progress.n_done == 0 and name in self._durations:
            return f"{progress.n_starts} starts"  # on nodes that share no folder with this computer
        if name not in self._running and name not in self._durations:
            return ""
        if wait := self._wait_of(name):
            return f"{progress.counted()} ({wait})"
        if progress.n_new == 0 and name not in self._durations:
            is_slow = self._elapsed(name) > _USUAL_START_S
            why = f" ({self._what_takes_long(name)})" if is_slow else ""
            return f"{progress.counted()}{why}"
        per_s = progress.starts_per_s(self._durations.get(name))
        rate = f", {per_s:.1f}/s" if per_s else ""
        return f"{progress.words()}{rate}"

    def _wait_of(self, name: str) -> str | None:
        """Return which job a task waits for and why, None if it has ended or does not wait."""
        if name not in self._running:
            return None
        return words_of_wait(self._run.directory.path, name, self._tasks[name].get("label") or "")

    def _what_takes_long(self, name: str) -> str:
        """Return what keeps a search from finishing its first start."""
        folder = TaskFolder(self._folder(name))
        if folder.has_begun():
            return "compiling the kernels"
        job = JobRecord.read(record_of_task(folder))
        whom = f"job {job.job_id}" if job and job.job_id else "its ranks"
        return f"nothing heard yet from {whom}"

    def _folder(self, name: str) -> Path:
        """Return the folder of a task."""
        return self._run.directory.path / "tasks" / name

    def _elapsed(self, name: str) -> float:
        """Return the seconds since a running stage began."""
        return time.monotonic() - self._running.get(name, time.monotonic())


class PlainDisplay(Display):
    """Prints lines: for a pipe, a log file, cron."""

    interval_s = 10.0

    def __enter__(self) -> Self:
        experiment = self._run.experiment
        self._say(f"run {self._run.directory.path.name} on site {self._run.site.name}")
        search = experiment.search
        starts = f"{search.starts} start{'s' if search.starts > 1 else ''}"
        workflow = experiment.workflow.name
        what = f"{search.method}, {starts}"
        what = what if workflow == DEFAULT_WORKFLOW else f"workflow {workflow}"
        self._say(f"{experiment.problem.kind}, {what}")
        if experiment.sweep is not None:
            axes = ", ".join(experiment.sweep.axes)
            self._say(f"study of {len(experiment.sweep.points())} points: {axes}")
        if experiment.problem.read_from is not None:
            self._say(f"read {experiment.problem.read_from}")
        return self

    def stage_started(self, name: str) -> None:
        """Print that a stage has begun."""
        super().stage_started(name)
        self._say(f"{name}: started")

    def stage_finished(self, name: str, duration_s: float) -> None:
        """Print that a stage has ended."""
        super().stage_finished(name, duration_s)
        text = f" ({text})" if (text := self._text(name)) else ""
        self._say(f"{name}: finished in {duration_s:.2f} s{text}")

    def stage_reused(self, name: str, run: str) -> None:
        """Print that a task did not have to run."""
        super().stage_reused(name, run)
        self._say(f"{name}: {self._text(name)}")

    def stage_failed(self, name: str, reason: str) -> None:
        """Print that a task has failed."""
        super().stage_failed(name, reason)
        self._say(f"{name}: failed: {reason}")

    def tick(self) -> None:
        """Print how far the running tasks have come."""
        for name in itertools.islice(self._running, _MOST_ROWS):
            self._say(f"{name}: {self._text(name) or 'running'}")
        if (n_more := len(self._running) - _MOST_ROWS) > 0:
            self._say(f"{n_more} more tasks have started and not finished")

    def summary(self, document: Document) -> None:
        """Print the main figures."""
        print_summary(document)

    def _say(self, text: str) -> None:
        """Print a line with the time since the beginning; a run does not end for want of it."""
        try:
            say(f"[{time.monotonic() - self._begun:7.2f} s] {text}")
        except StorageError as error:
            say_aside(f"{error}; the run goes on in {self._run.directory.path}")


class TableDisplay(Display):
    """Makes a small table of the tasks."""

    def _table(self) -> Table:
        """Return the table as it stands now."""
        from rich.table import Table
        from rich.text import Text

        elapsed = time.monotonic() - self._begun
        of_all = f"  {len(self._durations)} of {len(self._tasks)} tasks"
        title = f"{self._run.directory.path.name} on {self._run.site.name}  {elapsed:5.1f} s"
        title += of_all if len(self._tasks) > _MOST_ROWS else ""
        table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
        for column in ("", "stage", "time", ""):
            table.add_column(column, header_style="dim")
        for name in self._shown():
            table.add_row(*self._row(name))
        return table

    def _shown(self) -> list[str]:
        """Return the tasks to show: all, or of many those that run or have failed, and the last."""
        names = list(self._tasks)
        if len(names) <= _MOST_ROWS:
            return names
        chosen = {*self._running, *self._failed}
        return [name for name in names if name in chosen or name == names[-1]][-_MOST_ROWS:]

    def _row(self, name: str) -> tuple[Any, ...]:
        """Return the cells of a stage."""
        from rich.spinner import Spinner
        from rich.text import Text

        text = self._text(name)
        if name in self._failed:
            return Text("✗", "red"), Text(name, "bold"), "", Text(text)
        if name in self._durations:
            return Text("✓", "green"), name, f"{self._durations[name]:.1f} s", text
        if name in self._running:
            spinner = Spinner("dots", style="cyan")
            return spinner, Text(name, "bold"), f"{self._elapsed(name):.1f} s", text
        return Text("·", "dim"), Text(name, "dim"), "", ""


class LiveDisplay(TableDisplay):
    """Redraws the table in the terminal."""

    def __init__(self, run: ShownRun) -> None:
        super().__init__(run)
        from rich.live import Live

        self._live = Live(
            get_renderable=self._table,
            console=make_console(),
            refresh_per_second=5,
            transient=False,
        )

    def __enter__(self) -> Self:
        if (read_from := self._run.experiment.problem.read_from) is not None:
            self._live.console.print(f"read {read_from}", markup=False, highlight=False)
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # the terminal may have been closed
            self._live.stop()

    def summary(self, document: Document) -> None:
        """Print the main figures."""
        print_summary(document, self._live.console)
