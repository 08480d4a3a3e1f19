"""One run from start to end: an experiment on a site, written down as it goes."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from dataclasses import dataclass, field
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

import tomli_w

from hybrid_parsl import labels
from hybrid_parsl.crate.code import write_code
from hybrid_parsl.crate.metadata import write_crate
from hybrid_parsl.engine.jobs.orphans import cancel_blocks, has_taken_jobs, jobs_left, words_for
from hybrid_parsl.engine.launch_gate import LaunchGate, find_futures_in_containers
from hybrid_parsl.engine.result_reuse import ResultReuse
from hybrid_parsl.engine.retries import MEMORY, WALLTIME, RetryPolicy, allow_retries
from hybrid_parsl.engine.session import Session
from hybrid_parsl.engine.signals import exit_code_of, uninterrupted
from hybrid_parsl.engine.site_executor import SiteExecutor
from hybrid_parsl.engine.sites import SiteRun
from hybrid_parsl.engine.trace import trace_workflow
from hybrid_parsl.engine.workflow_calls import CallRecorder
from hybrid_parsl.errors import ConfigurationError, JobRejectedError, JobsLeftError
from hybrid_parsl.experiment import DEFAULT_WORKFLOW
from hybrid_parsl.pack_size import share_jobs
from hybrid_parsl.problems.registry import code_fingerprint
from hybrid_parsl.quantum.qpu_control import cancel_qpu_jobs, qpu_jobs_left
from hybrid_parsl.records.models import PROBLEM
from hybrid_parsl.records.run_directory import RunDirectory, now
from hybrid_parsl.records.run_document import continued, end_tasks, new_document
from hybrid_parsl.records.run_lock import run_lock
from hybrid_parsl.records.versions import software_versions
from hybrid_parsl.reuse.call_key import call_key, share_key
from hybrid_parsl.reuse.store import FOLDER, ResultStore
from hybrid_parsl.run_report import write_report
from hybrid_parsl.stages.warm_up import warm_up_analysis, warm_up_quantum
from hybrid_parsl.study_points import TABLE, write_points
from hybrid_parsl.study_workflow import Study
from hybrid_parsl.task_monitor import TaskMonitor, WorkflowThread
from hybrid_parsl.workflow import find_workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    import parsl

    from hybrid_parsl.engine.retries import Retry
    from hybrid_parsl.engine.sites import Site
    from hybrid_parsl.engine.workflow_calls import Call
    from hybrid_parsl.errors import HybridParslError
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.project import Project
    from hybrid_parsl.run_observer import RunObserver
    from hybrid_parsl.stage_function import StageFunction
    from hybrid_parsl.study_points import Point
    from hybrid_parsl.workflow import Workflow

    Begin = Callable[[Call, StageFunction], Future[Any]]
    Opening = Callable[[Session], AbstractContextManager[Begin]]

logger = logging.getLogger(__name__)
Document = dict[str, Any]
OnFailure = Literal["drain", "keep-going", "fail-fast"]
_MOST_OPEN = 10_000
"""How many tasks of a study may have been submitted and not ended, each some 10 KB of memory."""
WARM_UP = {labels.QUANTUM: warm_up_quantum, labels.ANALYSIS: warm_up_analysis}


@contextlib.contextmanager
def parsl_calls(session: Session) -> Iterator[Begin]:
    """Give what starts a call of an app in `session`."""
    yield session.begin


@dataclass
class Run:
    """An experiment on a site with a folder of its own.

    Attributes
    ----------
    experiment
        The experiment, without references to files.
    project
        Whose workflow is run.
    site
        Where it runs.
    directory
        What it leaves behind.
    earlier
        What an earlier driver of the run has left in ``results.json``, None for a new run.
    opening
        Gives what starts the call of an app, in Parsl or in another engine on top of it.
    on_failure
        What a failed task means for the others: ``drain`` (what runs finishes, nothing new
        starts), ``keep-going`` (what does not depend on it goes on; always so in a study, unless
        it is ``fail-fast``) or ``fail-fast`` (what runs is cancelled).
    cache
        Whether to reuse results of earlier runs in the same folder, and to store those of this one.
    points
        The points of a study; none for a single run. `experiment` is that of the first one, with
        the sweep.
    repeats
        The recorded run that this one repeats, by its id; None if it repeats none.
    """

    experiment: Experiment
    project: Project
    site: Site
    directory: RunDirectory
    earlier: Document | None = None
    opening: Opening = parsl_calls
    on_failure: OnFailure = "drain"
    cache: bool = False
    points: Sequence[Point] = ()
    repeats: str | None = None
    _document: Document = field(default_factory=dict)
    _begun: float = 0.0
    _study: Study | None = None
    _warm_up: Mapping[str, Callable[[], None]] = field(default_factory=lambda: WARM_UP)

    def prepare(self) -> None:
        """Write the experiment for a driver that is yet to start.

        Raises
        ------
        ConfigurationError
            If a setting of the site is missing or invalid.
        """
        with run_lock(self.directory.lock, f"run {self.directory.path.name}"):
            self._begin(n_drivers=0)

    def execute(self, observer: RunObserver) -> Document:
        """Run the workflow and return the content of ``results.json``.

        However the run ends, ``results.json`` and ``report.html`` say how far it came; a
        driver that is killed leaves ``results.json`` as it was after the last stage. A run that is
        refused before it has done anything leaves no folder.

        Raises
        ------
        HybridParslError
            What went wrong first, with the stage it happened in as a note.
        RunOverlapError
            If another process drives the run.
        """
        try:
            with run_lock(self.directory.lock, f"run {self.directory.path.name}"):
                if self.earlier is not None:  # another driver may have gone on since it was read
                    self.earlier = self.directory.read_results()
                return self._execute(observer)
        except (ConfigurationError, JobRejectedError):
            if self._has_done_nothing():
                shutil.rmtree(self.directory.path, ignore_errors=True)
            raise

    def _execute(self, observer: RunObserver) -> Document:
        """Do as `execute`, with the run's lock held."""
        self._begun = time.monotonic()
        try:
            if self.earlier is None:
                self._begin(n_drivers=1)
            else:
                self._go_on(self.earlier)
                cancel_blocks(self.directory.path)
            config = self.site.config(SiteRun(self.directory.path))
            most_retries = self.experiment.resources.most_retries
            allow_retries(config, most_retries, self._retry_policy, self._note_retry)
            find_futures_in_containers(config)
            opened = Session(config, self.site.source, logs_tasks=not self.points)
            reuse = self._reuse(config, opened) if self.cache else None
            gate = LaunchGate.install(config)
            workflow = self._workflow()
            if self.points:
                share_jobs(config, self.points)
                for executor in config.executors:
                    if isinstance(executor, SiteExecutor):
                        executor.keeps_folders = False
            with opened as session, self.opening(session) as begin:
                session.warm_up(self._warm_up)
                recorder = CallRecorder(
                    begin,
                    self.project.code_of,
                    self.experiment.resources_of_call,
                    session.join,
                    share_key,
                    _MOST_OPEN,
                )
                with recorder.installed():
                    self._follow(workflow, recorder, gate, session, observer, reuse)
        except BaseException as error:
            with uninterrupted():
                if self._cancels_qpu_jobs(error):
                    cancel_qpu_jobs(self.directory.path)
                path = self.directory.path
                for sentence in (*map(words_for, jobs_left(path)), *qpu_jobs_left(path)):
                    error.add_note(sentence)
                self._end(_word_for(error), error)
            raise
        with uninterrupted():
            self._end("completed", None)
        return self._document

    def _workflow(self) -> Workflow | Study:
        """Return what is called: the workflow, or that of all points of a study."""
        found = find_workflow(self.project.workflows(), self.experiment.workflow.name)
        if not self.points:
            return found
        trace = trace_workflow(
            lambda: found(self.points[0].experiment),
            self.project.code_of,
            self.experiment.resources_of_call,
        )
        if trace.is_complete:
            used = {call.label for call in trace.calls}
            self._warm_up = {label: each for label, each in WARM_UP.items() if label in used}
        earlier = self._document.get(TABLE) or {}
        self._study = Study(found, self.points, waits=not trace.is_complete, earlier=earlier)
        self._refresh()
        return self._study

    def _refresh(self) -> None:
        """Bring the table of a study up to date."""
        if self._study is not None:
            self._document[TABLE] = self._study.table()

    def _cancels_qpu_jobs(self, error: BaseException) -> bool:
        """Return whether jobs on QPUs are cancelled when `error` has ended the run.

        An interruption and ``fail-fast`` cancel what runs. After another failure, such as that of
        the network, a job goes on, and the next driver takes its result.
        """
        if isinstance(error, Exception):
            return self.on_failure == "fail-fast"
        return not getattr(error, "leaves_jobs", False)

    def _reuse(self, config: parsl.Config, session: Session) -> ResultReuse:
        """Let the tasks of a session that is not open yet reuse results of earlier runs."""
        versions = software_versions()
        path = self.directory.path

        def key_of(
            function: StageFunction, args: Sequence[Any], keywords: Mapping[str, Any], software: str
        ) -> str | None:
            return call_key(function, args, keywords, versions, software)

        store = ResultStore(path.parent / FOLDER)
        return ResultReuse.install(config, path, store, key_of, session.is_verified)

    def _has_done_nothing(self) -> bool:
        """Return whether this is the first driver, no stage has finished and no job was taken."""
        run = self._document.get("run", {})
        stages = self._document.get("stages", [])
        is_first = run.get("drivers") == 1 and not any("duration_s" in each for each in stages)
        return is_first and not has_taken_jobs(self.directory.path)

    def _begin(self, n_drivers: int) -> None:
        """Write the request before anything runs; the experiment is written last."""
        asked = self.experiment.model_dump(mode="json", exclude_none=True)
        versions = software_versions()
        if fingerprint := code_fingerprint(self.experiment):
            versions[PROBLEM] = fingerprint
        places = {"project": str(self.project.folder), "code": self.experiment.own_code.folders}
        self.directory.write_json("site.json", {**self.site.record(), **places})
        self.directory.write_json("versions.json", versions)
        self._write_code()
        self.directory.event("run started", site=self.site.name)
        self._document = new_document(self.directory, self.site.name, asked, versions, n_drivers)
        self._document["run"]["cache"] = self.cache
        if self.repeats is not None:
            self._document["run"]["repeats"] = self.repeats
        if self.points:
            write_points(self.directory, self.points)
        self.directory.write_results(self._document)
        self._write_experiment()

    def _write_experiment(self) -> None:
        """Write the experiment; a folder without this file is not a run yet."""
        self.directory.write("experiment.toml", tomli_w.dumps(self._document["experiment"]))

    def _write_code(self) -> None:
        """Keep the code of the project that the run needs."""
        experiments = [self.experiment, *(point.experiment for point in self.points)]
        write_code(self.directory, self.project, experiments)

    def _go_on(self, earlier: Document) -> None:
        """Record that another driver resumes what `earlier` holds."""
        self._write_code()
        self._document = continued(earlier, self.directory)
        is_first = self._document["run"]["drivers"] == 1
        self.directory.event("driver started" if is_first else "run resumed")
        self.directory.write_results(self._document)

    def _follow(
        self,
        workflow: Workflow | Study,
        recorder: CallRecorder,
        gate: LaunchGate,
        session: Session,
        observer: RunObserver,
        reuse: ResultReuse | None,
    ) -> None:
        """Call the workflow and follow its tasks to their end.

        Raises
        ------
        HybridParslError
            What failed first.
        """

        def react(error: HybridParslError) -> None:
            if self.on_failure == "fail-fast":
                raise error
            if self.on_failure == "drain" and not self.points:
                gate.block_new_tasks()

        monitor = TaskMonitor(
            self.directory,
            self._document,
            recorder,
            observer,
            top_level=not self.points and workflow.name == DEFAULT_WORKFLOW,
            on_failure=react,
            on_result=session.check_identity,
            origins={} if reuse is None else reuse.origins,
            refresh=self._refresh,
        )
        thread = WorkflowThread(workflow, self.experiment)
        thread.start()
        Thread(target=self._import_for_the_end, daemon=True).start()
        monitor.follow(thread)

    def _import_for_the_end(self) -> None:
        """Import, while tasks run, the libraries that write the run's final records."""
        import_module("rocrate.rocrate")
        if self.points:
            import_module("matplotlib.figure")

    def _retry_policy(self, names: Sequence[str]) -> RetryPolicy:
        """Return how often a task is tried again; a task of a point has its name without that."""
        if self.points:
            names = [each.partition(".")[2] or each for each in names]
        retries, grow = self.experiment.resources.retry_policy(names)
        return RetryPolicy(retries, {WALLTIME: grow.walltime, MEMORY: grow.memory})

    def _note_retry(self, retry: Retry) -> None:
        """Write down that a task is tried again, and say so."""
        reason = str(retry.error).partition("\n")[0]
        asks = "".join(f", {key} = {value:g}" for key, value in retry.larger.items())
        words = "%s: %s; try %d of %d begins%s"
        logger.warning(words, retry.task, reason, retry.number, retry.n_tries, asks)
        last = {"ended": now(), "error": reason, **({"next": dict(retry.larger)} if asks else {})}
        for stage in self._document["stages"]:
            if stage["name"] == retry.task:
                stage.setdefault("tries", []).append(last)
        self.directory.event(
            "task tried again", task=retry.task, number=retry.number, error=reason, **retry.larger
        )

    def _end(self, status: str, error: BaseException | None) -> None:
        """Write down how the run ended, if it had begun."""
        if not self._document:
            return
        self._refresh()
        run = self._document["run"]
        run |= {"finished": now(), "status": status}
        ended = "interrupted" if status == "failed" else status  # what failed says so already
        end_tasks(self._document, ended, run["finished"])
        spent_s = run.pop("spent_s", 0.0) + time.monotonic() - self._begun
        run |= {"duration_s": round(spent_s, 3), "exit_code": exit_code_of(error)}
        if error is not None:
            kind = type(error).__name__
            left = jobs_left(self.directory.path)
            if status == "interrupted" and any(record.cancel_error for record in left):
                run["exit_code"] = JobsLeftError.exit_code
            message = "\n".join([str(error) or kind, *map(words_for, left)])
            self._document["error"] = {"type": kind, "message": message}
        try:
            self.directory.write_results(self._document)
            self._write_experiment()
            write_report(self.directory, self._document)
            self.directory.event("run ended", status=status)
            write_crate(self.directory, self._document)
        except Exception as second:  # a disk may be full, a figure none
            if error is None:
                raise
            error.add_note(f"moreover: {second}")


def _word_for(error: BaseException) -> str:
    """Return how a run or a stage ended that `error` has ended."""
    return "failed" if isinstance(error, Exception) else "interrupted"
