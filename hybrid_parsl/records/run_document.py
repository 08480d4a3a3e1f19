"""The tables of ``results.json`` when a driver takes up a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybrid_parsl.records.run_directory import now, seconds_between

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hybrid_parsl.records.run_directory import RunDirectory

_OF_THE_END = ("finished", "status", "duration_s", "exit_code")


def new_document(
    directory: RunDirectory,
    site: str,
    experiment: Mapping[str, Any],
    versions: Mapping[str, str],
    n_drivers: int,
) -> dict[str, Any]:
    """Return the document of a run that begins.

    Parameters
    ----------
    directory
        The run.
    site
        The name of the site.
    experiment
        The experiment, with every default.
    versions
        With which packages.
    n_drivers
        1 if its driver writes this, 0 if one is still to come.
    """
    return {
        "run": {
            "id": directory.path.name,
            "name": experiment["name"],
            "started": now(),
            "status": "running",
            "site": site,
            "folder": str(directory.path),
            "drivers": n_drivers,
        },
        "experiment": experiment,
        "versions": versions,
        "stages": [],
        "tasks": {},
    }


def continued(earlier: Mapping[str, Any], directory: RunDirectory) -> dict[str, Any]:
    """Return the document of a run when another driver takes it up; what is finished stays.

    Parameters
    ----------
    earlier
        The document so far.
    directory
        The run.
    """
    run = {key: value for key, value in earlier["run"].items() if key not in _OF_THE_END}
    run |= {"status": "running", "folder": str(directory.path)}
    run |= {"drivers": run.get("drivers", 1) + 1, "spent_s": _spent_s(earlier["run"], directory)}
    if run["drivers"] > 1:
        run["resumed"] = [*run.get("resumed", []), now()]
    stages = [stage for stage in earlier["stages"] if stage["status"] == "completed"]
    tasks = {
        name: task
        for name, task in earlier.get("tasks", {}).items()
        if task["status"] == "completed"
    }
    kept = {key: value for key, value in earlier.items() if key != "error"}
    return {**kept, "run": run, "stages": stages, "tasks": tasks}


def _spent_s(run: Mapping[str, Any], directory: RunDirectory) -> float:
    """Return the seconds that earlier drivers have worked.

    One that was killed has worked until its last sign of life.
    """
    if "duration_s" in run or not run.get("drivers", 1):
        return float(run.get("duration_s", 0.0))
    begun = run.get("resumed", [run["started"]])[-1]
    last = directory.last_sign_of_life()
    return float(run.get("spent_s", 0.0)) + max(0.0, seconds_between(begun, last))


def end_tasks(document: dict[str, Any], status: str, finished: str) -> None:
    """Note how tasks ended that had not when the run did.

    Parameters
    ----------
    document
        The document of the run.
    status
        Of those that were running.
    finished
        When the run ended, as `now` writes it.
    """
    for stage in document["stages"]:
        if stage["status"] == "running":
            stage |= {"finished": finished, "status": status}
    for task in document.get("tasks", {}).values():
        if task["status"] == "running":
            task |= {"finished": finished, "status": status}
        elif task["status"] == "waiting":
            task["status"] = "not started"
