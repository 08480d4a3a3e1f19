"""Options that several commands share."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hybrid_parsl.cli.completion import (
    complete_experiment,
    complete_run,
    complete_site,
    complete_workflow,
)

if TYPE_CHECKING:
    from hybrid_parsl.runner import OnFailure

ExperimentName = Annotated[
    str,
    typer.Argument(
        help="A TOML file, or the name of one of the project's experiments.",
        metavar="EXPERIMENT",
        autocompletion=complete_experiment,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Replace a key: --set search.starts=64.", metavar="KEY=VALUE"),
]
SweptValues = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        help="Run with each value: --sweep ansatz.layers=1,2,3.",
        metavar="KEY=VALUES",
    ),
]
SiteName = Annotated[
    str,
    typer.Option(
        help="Where: a site of the project, or the path of a site file.",
        metavar="NAME|PATH",
        autocompletion=complete_site,
    ),
]
RunsDirectory = Annotated[
    Path, typer.Option("--runs-dir", help="Folder of all runs.", metavar="DIR")
]
RunName = Annotated[
    str,
    typer.Argument(
        help="A run: its folder, a part of its name, or latest.",
        metavar="RUN",
        autocompletion=complete_run,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
ScriptsFolder = Annotated[
    Path | None,
    typer.Option(
        "--scripts",
        help="With --dry-run: write what each scheduler would get to files in this folder.",
        metavar="FOLDER",
    ),
]
WorkflowName = Annotated[
    str | None,
    typer.Option(
        "--workflow",
        help="A function of apps/workflows.py; the experiment's own if left out.",
        metavar="NAME",
        autocompletion=complete_workflow,
    ),
]
KeepGoing = Annotated[
    bool,
    typer.Option(
        "--keep-going", "-k", help="When a task fails, run all that does not depend on it."
    ),
]
FailFast = Annotated[
    bool, typer.Option("--fail-fast", help="When a task fails, cancel those that run.")
]
Cache = Annotated[
    bool | None,
    typer.Option(
        "--cache/--no-cache",
        help="Reuse results of earlier runs in the same folder of runs, and store these.",
        show_default="--cache",
    ),
]
SiteAssignments = Annotated[
    list[str] | None,
    typer.Option("--site-set", help="Set a setting of the site.", metavar="KEY=VALUE"),
]


def failure_policy(*, keep_going: bool, fail_fast: bool) -> OnFailure:
    """Return what a failed task means for the others.

    Raises
    ------
    ConfigurationError
        If both options are given.
    """
    if keep_going and fail_fast:
        from hybrid_parsl.errors import ConfigurationError

        raise ConfigurationError("contradicts --keep-going", "--fail-fast", valid="one of the two")
    return "keep-going" if keep_going else "fail-fast" if fail_fast else "drain"


OlderThan = Annotated[
    str | None,
    typer.Option(help="Only what began or was written so long ago: 30d, 12h.", metavar="TIME"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be removed.")]


def read_time_span(text: str, option: str) -> timedelta:
    """Return the time span that an option was given.

    Raises
    ------
    ConfigurationError
        If it is not a time span.
    """
    from hybrid_parsl.engine.time_spans import read_duration
    from hybrid_parsl.errors import ConfigurationError

    try:
        span = read_duration(text)
    except ValueError as error:
        raise ConfigurationError(str(error), option, None, text) from error
    return cast("timedelta", span)  # of a text, it gives nothing else


def read_age(text: str) -> timedelta:
    """Return the time span of ``--older-than``.

    Raises
    ------
    ConfigurationError
        If it is not a time span.
    """
    return read_time_span(text, "--older-than")
