"""``hybrid-parsl status`` and ``hybrid-parsl cancel``: a run from outside its driver."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import AsJson, RunName, RunsDirectory
from hybrid_parsl.cli.output import say
from hybrid_parsl.cli.runs import find_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hybrid_parsl.run_control import RunStatus

_MOST_ROWS = 30
_COUNTED = ("completed", "waiting", "not started")


def status(
    name: RunName = "latest",
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Show how far a run has come, and the state of its jobs."""
    from hybrid_parsl.run_control import status_of

    directory = find_run(runs_dir, name)
    found = status_of(directory)
    say(json.dumps(found.to_json()) if as_json else _in_words(found, directory.path))


def cancel(name: RunName = "latest", runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY) -> None:
    """End a run and its jobs; finished work stays, and resume continues from it."""
    from hybrid_parsl import run_control
    from hybrid_parsl.engine.jobs.orphans import jobs_left, words_for
    from hybrid_parsl.errors import JobsLeftError

    directory = find_run(runs_dir, name)
    before = run_control.status_of(directory)
    if before.state not in ("running", "left") and not before.has_jobs_under_way:
        say(f"{directory.path.name} has ended already: {before.state}")
        return
    try:
        cancelled = run_control.cancel(directory)
    except JobsLeftError as error:
        error.add_note(f"try again with: {run_command('cancel', directory.path)}")
        raise
    ending = jobs_left(directory.path)
    say(f"cancelled {directory.path.name}")
    over = set(cancelled) - {record.job_id for record in ending}
    if over:
        say(f"jobs: {', '.join(sorted(over))}")
    for record in ending:
        say(words_for(record))


def _shown(stages: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Return the tasks that are listed, and how many others are in which state.

    Of many tasks, those that have ended well or not begun are only counted.
    """
    if len(stages) <= _MOST_ROWS:
        return stages, Counter()
    shown = [stage for stage in stages if stage["status"] not in _COUNTED][:_MOST_ROWS]
    others = Counter(stage["status"] for stage in stages)
    others.subtract(stage["status"] for stage in shown)
    return shown, +others


def _in_words(found: RunStatus, folder: Path) -> str:
    """Return the status of the run in `folder` for people."""
    lines = [f"{found.run} on site {found.site}: {_state(found, folder)}"]
    shown, others = _shown(found.stages)
    width = max([9, *(len(stage["name"]) for stage in shown)])
    if others:
        counts = ", ".join(f"{number} {state}" for state, number in sorted(others.items()))
        lines.append(f"  other tasks: {counts}")
    for stage in shown:
        words = [f"  {stage['name']:<{width}} {stage['status']}"]
        if stage["duration_s"] is not None:
            words.append(f"{stage['duration_s']:.1f} s")
        if stage["progress"]:
            words.append(stage["progress"])
        lines.append(", ".join(words))
    for job in found.jobs:
        state = job["state"] or "not known to the backend any more"
        state += f" ({job['waits_for']})" if job["waits_for"] else ""
        if job["cancel_asked"]:
            state += (
                f"; cancellation not confirmed: {job['cancel_error'] or 'it has not ended yet'}"
            )
        state += _usage_words(job)
        lines.append(f"  job {job['id'] or '?'} ({job['backend']}, {job['name']}): {state}")
    if found.error:
        told = dict.fromkeys((found.error["type"], found.error["message"]))
        first, *below = ": ".join(told).splitlines() or [""]
        lines += [f"  {first}", *(f"    {line.strip()}" for line in below)]
    return "\n".join(lines)


def _usage_words(job: Mapping[str, Any]) -> str:
    """Return the QPU time of a job, nothing for a job that uses none."""
    used, estimated = job.get("usage_s"), job.get("estimated_usage_s")
    words = [
        *([f"{used:g} s of QPU time used"] if used is not None else []),
        *([f"{estimated:g} s estimated"] if estimated is not None else []),
    ]
    return f"; {', '.join(words)}" if words else ""


def _state(found: RunStatus, folder: Path) -> str:
    """Return in what state a run is, and what can be done about it."""
    if found.state == "running":
        return f"running ({found.driver})"
    if found.state == "left":
        return words_for_left(folder)
    return found.state if found.state == "completed" else f"{found.state}; {_go_on(folder)}"


def words_for_left(folder: Path) -> str:
    """Describe an unfinished run that has no driver."""
    return f"its driver has ended; {_go_on(folder)}"


def resume_command(folder: Path) -> str:
    """Return the command that resumes the run in `folder`, for the current folder."""
    return run_command("resume", folder)


def run_command(command: str, folder: Path) -> str:
    """Return the command line of `command` for the run in `folder`, for the current folder."""
    is_found = folder.parent == DEFAULT_RUNS_DIRECTORY.absolute()
    return f"hybrid-parsl {command} {shlex.quote(folder.name if is_found else str(folder))}"


def _go_on(folder: Path) -> str:
    """Return how to resume the run in `folder`."""
    return f"resume with: {resume_command(folder)}"
