"""Drivers in sessions of their own: what a terminal that closes cannot end."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_parsl.cli.output import say, say_aside
from hybrid_parsl.cli.status import run_command
from hybrid_parsl.own_command import own_command, own_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.runner import OnFailure

Detach = Annotated[
    bool,
    typer.Option("--detach", help="Let the driver go on in the background, without a terminal."),
]
LOG = "driver.log"
"""What the driver prints, in the folder of the run."""
_PATIENCE_S = 60.0
_PAUSE_S = 0.05


def drive_detached(
    directory: RunDirectory,
    project: Path,
    site_settings: Sequence[str],
    on_failure: OnFailure,
    *,
    as_json: bool,
    cache: bool | None = None,
) -> None:
    """Start a driver that resumes a run in a session of its own, and print how to follow it.

    Returns when the driver has handed over a job, has ended, or has not ended for a minute.

    Parameters
    ----------
    directory
        The run, which has been prepared.
    project
        The project folder.
    site_settings
        Settings of the site that are set anew, as ``key=value``.
    on_failure
        What a failed task means for the others.
    as_json
        Whether to print JSON.
    cache
        Whether to reuse results of earlier runs; as the run was begun if None.

    Raises
    ------
    typer.Exit
        If the driver has failed; its words have been printed.
    """
    from hybrid_parsl.engine.jobs.orphans import taken_jobs

    options = [f"--{on_failure}"] if on_failure != "drain" else []
    options += [] if cache is None else ["--cache" if cache else "--no-cache"]
    options += [word for each in site_settings for word in ("--site-set", each)]
    command = own_command("--project", str(project), "resume")
    over = {name for name, has_ended in taken_jobs(directory.path).items() if has_ended}
    with (directory.path / LOG).open("a+b") as output:
        begin = output.seek(0, os.SEEK_END)
        driver = subprocess.Popen(  # noqa: S603 - this program
            [*command, str(directory.path), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=own_environment(),
            start_new_session=True,
        )
        _wait_until_under_way(directory, driver, over)
        if driver.poll():
            output.seek(begin)  # a run that was refused leaves no folder, but this file is open
            say_aside(output.read().decode(errors="replace").rstrip())
            raise typer.Exit(driver.returncode if driver.returncode > 0 else 1)
    if as_json:
        run = {"run": directory.path.name, "folder": str(directory.path), "driver": driver.pid}
        say(json.dumps(run))
        return
    say(f"run {directory.path.name} goes on in process {driver.pid}")
    say(f"  folder: {directory.path}")
    say(f"  follow it with: {run_command('attach', directory.path)}")
    say(f"  end it with: {run_command('cancel', directory.path)}")


def _wait_until_under_way(
    directory: RunDirectory, driver: subprocess.Popen[bytes], over: set[str]
) -> None:
    """Wait until `driver` drives the run and has a job that is not `over`, or has ended."""
    from hybrid_parsl.engine.jobs.orphans import taken_jobs
    from hybrid_parsl.records.run_lock import driver_of

    deadline = time.monotonic() + _PATIENCE_S
    while driver.poll() is None and time.monotonic() < deadline:
        found = driver_of(directory.lock)
        if found is not None and found.pid == driver.pid and set(taken_jobs(directory.path)) - over:
            return
        time.sleep(_PAUSE_S)
