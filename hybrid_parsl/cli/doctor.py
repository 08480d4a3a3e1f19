"""``hybrid-parsl doctor``: whether a site works, line by line."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import AsJson, RunsDirectory, SiteAssignments, SiteName
from hybrid_parsl.cli.output import ReaderGoneError, say
from hybrid_parsl.cli.remote_options import FunctionId, read_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hybrid_parsl.engine.doctor.finding import Finding

WRONG = 2
INTERRUPTED = 130
_INDENT = " " * 8


def doctor(
    context: typer.Context,
    site: SiteName = "local",
    site_settings: SiteAssignments = None,
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    timeout: Annotated[
        str, typer.Option(help="How long to wait for a job to start.", metavar="TIME")
    ] = "2m",
    endpoint: Annotated[
        str | None,
        typer.Option(help="Check this endpoint of Globus Compute, not a site.", metavar="ID"),
    ] = None,
    function: FunctionId = None,
    bare: Annotated[
        bool,
        typer.Option("--bare", help="Check with the variables of a scheduled run, as under cron."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a site, or an endpoint, line by line, before a run waits in its queue."""
    limit_s = read_seconds(timeout)
    if bare:
        from hybrid_parsl.schedule.environment import bare_environment

        environment = bare_environment()
        os.environ.clear()
        os.environ.update(environment)
    if endpoint is None:
        findings = _site_findings(context, site, site_settings or [], runs_dir, limit_s)
    else:
        from hybrid_parsl.remote.examination import examine_endpoint

        findings = examine_endpoint(endpoint, function, limit_s)
    _examine(findings, as_json=as_json)


def _site_findings(
    context: typer.Context, site: str, settings: list[str], runs_dir: Path, limit_s: float
) -> Iterable[Finding]:
    """Return what will become of each check of a site."""
    from hybrid_parsl import labels
    from hybrid_parsl.engine.doctor.examination import examine
    from hybrid_parsl.engine.sites import load_site
    from hybrid_parsl.stages.probe import probe_process, probe_ranks

    place = load_site(site, context.obj.project(), settings)
    probes = {
        labels.MPI: probe_ranks,
        labels.QUANTUM: probe_process,
        labels.ANALYSIS: probe_process,
    }
    return examine(place, runs_dir, probes, limit_s)


def _examine(findings: Iterable[Finding], *, as_json: bool) -> None:
    """Carry out the checks behind `findings` and show each; something wrong ends the process."""
    from hybrid_parsl.engine.signals import TerminatedError, terminable

    try:
        with terminable():
            seen = _show(findings, as_json=as_json)
    except ReaderGoneError:
        raise
    except (KeyboardInterrupt, TerminatedError):
        raise typer.Exit(INTERRUPTED) from None
    if any(finding.state == "wrong" for finding in seen):
        raise typer.Exit(WRONG)


def _show(findings: Iterable[Finding], *, as_json: bool) -> list[Finding]:
    """Print findings, for people each as it comes, and return them."""
    seen = []
    for finding in findings:
        seen.append(finding)
        if as_json:
            continue
        say(f"{finding.state:8}{finding.check}: {_indented(finding.message)}")
        if finding.advice:
            say(f"{_INDENT}{finding.advice}")
    if as_json:
        say(json.dumps([asdict(finding) for finding in seen]))
    return seen


def _indented(text: str) -> str:
    """Return `text` with all lines but the first moved to the right."""
    return text.replace("\n", f"\n{_INDENT}")
