"""``hybrid-parsl status`` and ``hybrid-parsl cancel``: a run from outside its driver."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import AsJson, RunName, RunsDirectory
from hybrid_parsl.cli.output import say

if TYPE_CHECKING:
    from hybrid_parsl.run_control import RunStatus


def status(
    name: RunName = "latest",
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Show how far a run has come, and the state of its jobs."""
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.run_control import status_of

    found = status_of(RunDirectory.find(runs_dir, name))
    say(json.dumps(found.to_json()) if as_json else _in_words(found))


def cancel(name: RunName = "latest", runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY) -> None:
    """End a run and its jobs; what is finished stays, and resume goes on with it."""
    from hybrid_parsl import run_control
    from hybrid_parsl.records.run_directory import RunDirectory

    directory = RunDirectory.find(runs_dir, name)
    before = run_control.status_of(directory).state
    if before not in ("running", "left"):
        say(f"{directory.path.name} has ended already: {before}")
        return
    canceled = run_control.cancel(directory)
    say(f"canceled {directory.path.name}")
    if canceled:
        say(f"jobs: {', '.join(canceled)}")


def _in_words(found: RunStatus) -> str:
    """Return the status for people."""
    lines = [f"{found.run} on site {found.site}: {_state(found)}"]
    done, total = found.starts
    for stage in found.stages:
        words = [f"  {stage['name']:<9} {stage['status']}"]
        if stage["duration_s"] is not None:
            words.append(f"{stage['duration_s']:.1f} s")
        if stage["name"] == "search" and done:
            words.append(f"{done} of {total} starts, best energy {found.best_energy:.6g}")
        lines.append(", ".join(words))
    for job in found.jobs:
        state = job["state"] or "not known to the backend any more"
        state += f" ({job['waits_for']})" if job.get("waits_for") else ""
        lines.append(f"  job {job['id'] or '?'} ({job['backend']}, {job['name']}): {state}")
    if found.error:
        lines.append(f"  {found.error['type']}: {found.error['message']}")
    return "\n".join(lines)


def _state(found: RunStatus) -> str:
    """Return in what state a run is, and what can be done where that is not plain."""
    if found.state == "running":
        return f"running ({found.driver})"
    if found.state == "left":
        return words_for_left(found.run)
    return found.state


def words_for_left(run: str) -> str:
    """Return what there is to say of a run that nobody drives and that has not ended."""
    return f"its driver has ended; go on with: hybrid-parsl resume {run}"
