"""Resume, inspect and cancel a run from outside its driver."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl import identity
from hybrid_parsl.engine.jobs.lookup import UNDER_WAY
from hybrid_parsl.engine.jobs.orphans import UNKNOWN, cancel_jobs, job_states
from hybrid_parsl.engine.signals import TERMINATED
from hybrid_parsl.engine.site_check import check_site
from hybrid_parsl.engine.sites import load_recorded_site
from hybrid_parsl.errors import IdentityMismatchError, RunOverlapError
from hybrid_parsl.experiment_file import read_experiment
from hybrid_parsl.optimize.progress import SearchProgress
from hybrid_parsl.problems.registry import code_fingerprint, embed_code
from hybrid_parsl.project import find_project
from hybrid_parsl.quantum.qpu_control import (
    cancel_qpu_jobs,
    check_no_qpu_job_is_left,
    qpu_job_states,
)
from hybrid_parsl.records.models import PROBLEM, BegunResults, SiteRecord, Versions
from hybrid_parsl.records.run_directory import RESULTS, now
from hybrid_parsl.records.run_document import end_tasks
from hybrid_parsl.records.run_list import best_energy
from hybrid_parsl.records.run_lock import driver_of, run_lock, state_of
from hybrid_parsl.run_report import write_report
from hybrid_parsl.study_points import read_points
from hybrid_parsl.tasks.folder import TaskFolder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.runner import Run

_PATIENCE_S = 60.0
_PAUSE_S = 0.1


def reopen(directory: RunDirectory, project: Path | None, assignments: Sequence[str]) -> Run:
    """Return the run in `directory`, to go on where its last driver left it.

    Parameters
    ----------
    directory
        The run.
    project
        The project folder; that of the last driver if None.
    assignments
        Settings of the site that are set anew, as ``key=value``.

    Raises
    ------
    ConfigurationError
        If a file of the run cannot be read, its project or site are not there any more, or the site
        cannot be used as it is set.
    IdentityMismatchError
        If it was begun with other sources of this package.
    """
    record = directory.read_record("site.json", SiteRecord)
    begun_with = directory.read_record("versions.json", Versions)["hybrid-parsl"]
    if begun_with != identity.current():
        where = f"run {directory.path.name}"
        raise IdentityMismatchError(identity.current(), begun_with, where)
    from hybrid_parsl.runner import Run  # with Parsl, which only another driver needs

    found = find_project(project or Path(record["project"]))
    if project is None:
        found.check_owner()
    folders = (*map(Path, record.get("code", ())), found.folder)
    experiment = embed_code(read_experiment(directory.path / "experiment.toml"), folders)
    site = load_recorded_site(record, found, assignments)
    check_site(site, experiment.search_resources, directory.path)
    points = []
    if experiment.sweep is not None:
        points = read_points(directory, experiment, lambda each: embed_code(each, folders))
    earlier = results_of(directory)
    cache = earlier["run"].get("cache") is True
    return Run(experiment, found, site, directory, earlier, cache=cache, points=points)


def has_other_problem(run: Run) -> bool:
    """Return whether the problem class of a run has changed since the run began.

    Raises
    ------
    ConfigurationError
        If the versions that it began with cannot be read, or there is no such class any more.
    """
    before = run.directory.read_record("versions.json", Versions).get(PROBLEM, "")
    return bool(before != code_fingerprint(run.experiment))


@dataclass(frozen=True)
class RunStatus:
    """How far a run has come.

    Attributes
    ----------
    run
        The name of its folder.
    state
        ``running``, ``left`` (it has no driver and has not ended), ``completed``, ``failed`` or
        ``interrupted``.
    driver
        Who drives it, or None.
    site
        Where it runs.
    stages
        Name, status, duration in seconds and progress of each task.
    starts
        Starts of all searches that have been called: how many are done, of how many.
    best_energy
        The lowest energy of the searches and diagonalizations so far, of all points of a study, in
        the unit of the cost; None before the first. That of `ListedRun`, but for searches that are
        under way, which count here.
    jobs
        What `job_states` and `qpu_job_states` return.
    error
        Type and message of what ended it, if something did.
    """

    run: str
    state: str
    driver: str | None
    site: str
    stages: list[dict[str, Any]]
    starts: tuple[int, int]
    best_energy: float | None
    jobs: list[dict[str, Any]]
    error: dict[str, str] | None

    @property
    def has_jobs_under_way(self) -> bool:
        """Whether a job of it waits or runs, as far as its backend reports."""
        return any(job["state"] in (*UNDER_WAY, UNKNOWN) for job in self.jobs)

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return asdict(self)


def status_of(directory: RunDirectory) -> RunStatus:
    """Return how far the run in `directory` has come.

    Raises
    ------
    ConfigurationError
        If ``results.json`` cannot be read, or the run is on an endpoint.
    """
    driver = driver_of(directory.lock)  # first: it may end before the results are read
    document = results_of(directory)
    tasks: dict[str, dict[str, Any]] = document.get("tasks", {})
    searches = {
        name: _progress(directory, name, total)
        for name, task in tasks.items()
        if (total := task.get("total"))
    }
    n_starts = document["experiment"]["search"]["starts"]
    counted = searches or {"search": _progress(directory, "search", n_starts)}
    energies = [each.best_energy for each in counted.values() if each.n_done]
    if (finished := best_energy(tasks)) is not None:
        energies.append(finished)
    return RunStatus(
        run=directory.path.name,
        state=state_of(document["run"]["status"], driver),
        driver=str(driver) if driver else None,
        site=document["run"].get("site") or "unknown",
        stages=[
            {key: stage.get(key) for key in ("name", "status", "duration_s")}
            | {"progress": _progress_text(directory, stage, searches.get(stage["name"]))}
            for stage in _all_stages(document)
        ],
        starts=_starts(counted, tasks),
        best_energy=min(energies, default=None),
        jobs=[*job_states(directory.path), *qpu_job_states(directory.path)],
        error=document.get("error"),
    )


def _progress(directory: RunDirectory, name: str, n_starts: int) -> SearchProgress:
    """Return how far a search has come."""
    progress = SearchProgress(directory.path / "tasks" / name, n_starts)
    progress.update()
    return progress


def _starts(
    searches: Mapping[str, SearchProgress], tasks: Mapping[str, Mapping[str, Any]]
) -> tuple[int, int]:
    """Return how many starts of searches are done, of how many.

    A search that has finished elsewhere, in a pack or in an earlier run, has left no starts here.
    """
    done = (
        each.n_starts if tasks.get(name, {}).get("status") == "completed" else each.n_done
        for name, each in searches.items()
    )
    return sum(done), sum(each.n_starts for each in searches.values())


def _progress_text(
    directory: RunDirectory, stage: Mapping[str, Any], progress: SearchProgress | None
) -> str | None:
    """Return in words how far a task has come, or from which run its result comes, else None."""
    if origin := stage.get("reused_from"):
        return f"reused from run {origin}"
    if progress is not None:
        return progress.words(" of ") if progress.n_done else None
    if stage["status"] != "running":
        return None
    return TaskFolder(directory.path / "tasks" / stage["name"]).progress_line() or None


def _all_stages(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tasks that have begun, and then those that have not."""
    begun: list[dict[str, Any]] = document["stages"]
    names = {stage["name"] for stage in begun}
    tasks = document.get("tasks", {}).items()
    return [*begun, *({"name": name, **task} for name, task in tasks if name not in names)]


def cancel(directory: RunDirectory) -> list[str]:
    """Cancel the run in `directory`, and return the ids of the jobs that were left to cancel.

    A driver on this host is asked to end, and cancels its jobs itself. Those that it could not
    cancel, and those of a driver that is dead or on another host, are cancelled from here. A
    process that cancels the run already is waited for.

    Raises
    ------
    JobsLeftError
        If a backend has not taken a cancellation: the run can be cancelled again.
    RunOverlapError
        If the driver has not ended after a minute.
    ConfigurationError
        If the run is on an endpoint.
    """
    directory.check_here()
    driver = driver_of(directory.lock)
    if driver is not None and driver.is_here():
        if not driver.cancels:
            driver.terminate(f"run {directory.path.name}")
        deadline = time.monotonic() + _PATIENCE_S
        while driver_of(directory.lock) == driver:
            if time.monotonic() > deadline:
                raise RunOverlapError(f"run {directory.path.name}", str(driver))
            time.sleep(_PAUSE_S)
        driver = None
    if driver is not None:
        return _cancel_all(directory.path)
    what = f"run {directory.path.name}"
    with run_lock(directory.lock, what, cancels=True, patience_s=_PATIENCE_S):
        cancelled = _cancel_all(directory.path)
        _note_cancellation(directory)
    return cancelled


def _cancel_all(run: Path) -> list[str]:
    """Cancel the jobs of a run, then those that they may have submitted to a QPU.

    Raises
    ------
    JobsLeftError
        If a backend or the service of the QPU has not taken a cancellation.
    """
    try:
        cancelled = cancel_jobs(run)
    finally:
        on_qpu = cancel_qpu_jobs(run)
    check_no_qpu_job_is_left(run)
    return [*cancelled, *on_qpu]


def _note_cancellation(directory: RunDirectory) -> None:
    """Write into the results of a run without a driver that it was cancelled."""
    document = results_of(directory)
    if document["run"]["status"] != "running":
        return
    end = {"status": "interrupted", "finished": now(), "exit_code": TERMINATED}
    document["run"] |= end
    end_tasks(document, "interrupted", document["run"]["finished"])
    document["error"] = {"type": "Cancelled", "message": "cancelled after its driver had ended"}
    directory.write_results(document)
    write_report(directory, document)
    directory.event("run ended", status="interrupted")


def results_of(directory: RunDirectory) -> dict[str, Any]:
    """Return what the run in `directory` has found so far.

    Raises
    ------
    ConfigurationError
        If ``results.json`` cannot be read, or the run is on an endpoint.
    """
    directory.check_here()
    return directory.read_record(RESULTS, BegunResults)
