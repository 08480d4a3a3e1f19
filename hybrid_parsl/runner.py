"""One run from start to end: an experiment on a site, written down as it goes."""

from __future__ import annotations

import contextlib
import json
import traceback
from concurrent.futures import wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import tomli_w

from hybrid_parsl import labels
from hybrid_parsl.engine.interrupts import uninterrupted
from hybrid_parsl.engine.jobs.left import cancel_blocks
from hybrid_parsl.engine.session import Session, first_cause
from hybrid_parsl.engine.sites import SiteRun
from hybrid_parsl.errors import HybridParslError, StageFailedError
from hybrid_parsl.problems.registry import problem_fingerprint
from hybrid_parsl.records.run_directory import REPORT, RESULTS, RunDirectory, now
from hybrid_parsl.records.run_lock import run_lock
from hybrid_parsl.records.versions import software_versions
from hybrid_parsl.report.page import render_page
from hybrid_parsl.stages.warm_up import warm_up_analysis, warm_up_quantum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from pydantic import BaseModel

    from hybrid_parsl.engine.sites import Site
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.project import Project

    Pipeline = Callable[[Experiment], Mapping[str, Future[BaseModel]]]
    Opening = Callable[[Session, Project], AbstractContextManager[Pipeline]]

Document = dict[str, Any]
_OF_THE_END = ("finished", "status", "duration_s")
PROBLEM = "problem"
"""Stands among the versions for the file of a problem class that is not of this package."""
WARM_UP = {labels.QUANTUM: warm_up_quantum, labels.ANALYSIS: warm_up_analysis}


@contextlib.contextmanager
def parsl_apps(session: Session, project: Project) -> Iterator[Pipeline]:
    """Give the project's own workflow, whose apps Parsl calls while `session` lasts."""
    del session  # Parsl knows it
    yield project.workflows().pipeline


class RunObserver(Protocol):
    """Is told how a run goes.

    Attributes
    ----------
    interval_s
        Seconds between two calls of `tick` while a stage runs.
    """

    interval_s: float

    def stage_started(self, name: str) -> None:
        """Hear that all that the stage `name` waits for is there."""

    def stage_finished(self, name: str, duration_s: float) -> None:
        """Hear that the stage `name` has given its result after `duration_s` seconds."""

    def tick(self) -> None:
        """Hear that time has passed."""


@dataclass
class Run:
    """An experiment on a site with a folder of its own.

    Attributes
    ----------
    experiment
        What is asked; it names no file.
    project
        Whose workflow is run.
    site
        Where it runs.
    directory
        What it leaves behind.
    earlier
        What an earlier driver of the run has left in ``results.json``, None for a new run.
    opening
        Gives the workflow as something to call: who calls the stages is its business.
    """

    experiment: Experiment
    project: Project
    site: Site
    directory: RunDirectory
    earlier: Document | None = None
    opening: Opening = parsl_apps
    _document: Document = field(default_factory=dict)

    def execute(self, observer: RunObserver) -> Document:
        """Run the workflow and return the content of ``results.json``.

        However the run ends, ``results.json`` and ``report.html`` tell how far it came; a
        driver that is killed leaves ``results.json`` as it was after the last stage.

        Raises
        ------
        HybridParslError
            What went wrong first, with the stage it happened in as a note.
        RunOverlapError
            Another process drives the run.
        """
        with run_lock(self.directory.lock, f"run {self.directory.path.name}"):
            if self.earlier is not None:  # another driver may have gone on since it was read
                self.earlier = self.directory.read_results()
            return self._execute(observer)

    def _execute(self, observer: RunObserver) -> Document:
        """Do as `execute`, with the run's lock held."""
        try:
            if self.earlier is None:
                self._begin()
            else:
                self._go_on(self.earlier)
                cancel_blocks(self.directory.path)
            config = self.site.config(SiteRun(self.directory.path))
            with (
                Session(config, self.site.source) as session,
                self.opening(session, self.project) as pipeline,
            ):
                session.warm_up(WARM_UP)
                for name, future in pipeline(self.experiment).items():
                    self._finish_stage(name, future, observer)
                    session.check_identity()
        except BaseException as error:
            with uninterrupted():
                self._end(_word_for(error), error)
            raise
        with uninterrupted():
            self._end("completed", None)
        return self._document

    def _begin(self) -> None:
        """Write down what is asked before anything runs; the experiment is the last of it."""
        asked = self.experiment.model_dump(mode="json", exclude_none=True)
        versions = software_versions()
        if fingerprint := problem_fingerprint(self.experiment.problem.kind):
            versions[PROBLEM] = fingerprint
        project = str(self.project.folder)
        self.directory.write_json("site.json", {**self.site.record(), "project": project})
        self.directory.write_json("versions.json", versions)
        self.directory.event("run started", site=self.site.name)
        self._document = {
            "run": {
                "id": self.directory.path.name,
                "name": self.experiment.name,
                "started": now(),
                "status": "running",
                "site": self.site.name,
                "folder": str(self.directory.path),
            },
            "experiment": asked,
            "versions": versions,
            "stages": [],
        }
        self.directory.write_json(RESULTS, self._document)
        self.directory.write("experiment.toml", tomli_w.dumps(asked))

    def _go_on(self, earlier: Document) -> None:
        """Write down that another driver goes on with what `earlier` tells."""
        run = {key: value for key, value in earlier["run"].items() if key not in _OF_THE_END}
        run |= {"status": "running", "folder": str(self.directory.path)}
        run["resumed"] = [*run.get("resumed", []), now()]
        stages = [stage for stage in earlier["stages"] if stage["status"] == "completed"]
        self._document = {**earlier, "run": run, "stages": stages}
        self._document.pop("error", None)
        self.directory.event("run resumed")
        self.directory.write_json(RESULTS, self._document)

    def _finish_stage(self, name: str, future: Future[BaseModel], observer: RunObserver) -> None:
        """Wait for a stage and keep what it found."""
        earlier = self._document.get(name)
        record = self._begin_stage(name)
        observer.stage_started(name)
        try:
            result = _result(name, future, observer)
        except BaseException as error:
            status = _word_for(error)
            record |= {"finished": now(), "status": status}
            self.directory.event(f"stage {status}", stage=name, error=str(error))
            raise
        found = json.loads(result.model_dump_json(exclude={"figures"}))  # NaN becomes null
        for figure, svg in getattr(result, "figures", {}).items():
            self.directory.write(f"figures/{figure}.svg", svg)
        duration_s = found["execution"]["duration_s"]
        if record["status"] == "running" or found != earlier:
            record |= {
                "finished": now(),
                "status": "completed",
                "duration_s": duration_s,
                "host": ", ".join(found["execution"]["hosts"]),
            }
            self._document[name] = found
            self.directory.write_json(RESULTS, self._document)
            self.directory.event("stage finished", stage=name, duration_s=duration_s)
        observer.stage_finished(name, duration_s)

    def _begin_stage(self, name: str) -> Document:
        """Return the record of a stage: that of an earlier driver that has finished it, or new."""
        stages: list[Document] = self._document["stages"]
        for record in stages:
            if record["name"] == name:
                return record
        record = {"name": name, "started": now(), "status": "running"}
        stages.append(record)
        self.directory.write_json(RESULTS, self._document)
        self.directory.event("stage started", stage=name)
        return record

    def _end(self, status: str, error: BaseException | None) -> None:
        """Write down how the run ended, if it had begun."""
        if not self._document:
            return
        run = self._document["run"]
        run |= {"finished": now(), "status": status}
        for stage in self._document["stages"]:
            if stage["status"] == "running":  # what it was shown on, or its figures, failed
                stage |= {"finished": run["finished"], "status": status}
        begun = run.get("resumed", [run["started"]])[-1]  # nobody worked between two drivers
        run["duration_s"] = _seconds_between(begun, run["finished"])
        if error is not None:
            kind = type(error).__name__
            self._document["error"] = {"type": kind, "message": str(error) or kind}
        try:
            self.directory.write_json(RESULTS, self._document)
            write_report(self.directory, self._document)
            self.directory.event("run ended", status=status)
        except Exception as second:  # a disk may be full, a figure none
            if error is None:
                raise
            error.add_note(f"moreover: {second}")


def write_report(directory: RunDirectory, document: Document) -> None:
    """Write ``report.html`` from the results and the figures in `directory`.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    files = sorted((directory.path / "figures").glob("*.svg"))
    figures = {path.stem: path.read_text(encoding="utf-8") for path in files}
    directory.write(REPORT, render_page(document, figures))


def _word_for(error: BaseException) -> str:
    """Return how a run or a stage ended that `error` has ended."""
    return "failed" if isinstance(error, Exception) else "interrupted"


def _result(name: str, future: Future[BaseModel], observer: RunObserver) -> BaseModel:
    """Wait for the result of a stage; its failure is an error of ours that names the stage."""
    while not wait([future], timeout=observer.interval_s).done:
        observer.tick()
    error = future.exception()
    if error is None:
        return future.result()
    cause = first_cause(error)
    if not isinstance(cause, HybridParslError):
        cause = StageFailedError(name, f"{type(cause).__name__}: {cause}", _traceback(cause))
    cause.add_note(f"stage: {name}")
    raise cause from error


def _traceback(error: BaseException) -> str:
    """Return where `error` was raised; if that was in another process, only the part there."""
    there = error.__cause__
    if type(there).__name__ == "_RemoteTraceback":  # of concurrent.futures
        return str(there).strip().strip('"').strip()
    return "".join(traceback.format_exception(error))


def _seconds_between(first: str, last: str) -> float:
    """Return the seconds between two times of `now`."""
    from datetime import datetime

    difference = datetime.fromisoformat(last) - datetime.fromisoformat(first)
    return round(difference.total_seconds(), 3)
