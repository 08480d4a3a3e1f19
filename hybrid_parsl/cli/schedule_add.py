"""``hybrid-parsl schedule add``: in the crontab, or printed for another scheduler."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import (
    ExperimentName,
    Overrides,
    RunsDirectory,
    SiteAssignments,
    SiteName,
)
from hybrid_parsl.cli.output import say, say_aside, write
from hybrid_parsl.schedule.entry_format import Format

if TYPE_CHECKING:
    from hybrid_parsl.engine.sites import Site
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.project import Project
    from hybrid_parsl.schedule.definition import Schedule


def add(
    context: typer.Context,
    cron: Annotated[
        str,
        typer.Argument(help="When: five fields as in crontab(5), or @daily.", metavar="TIMES"),
    ],
    experiment: ExperimentName,
    site: SiteName = "local",
    name: Annotated[
        str | None, typer.Option(help="Its name; that of the experiment by default.")
    ] = None,
    overrides: Overrides = None,
    site_settings: SiteAssignments = None,
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    deadline: Annotated[
        str, typer.Option(help="Stop a run after this time: 90m, 12h, 2d; or none.")
    ] = "1d",
    keep: Annotated[
        int | None,
        typer.Option(help="Keep this many run directories; all by default.", metavar="N", min=1),
    ] = None,
    on_failure: Annotated[
        str | None,
        typer.Option(help="Where failures are reported.", metavar="COMMAND|URL"),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="Time zone of TIMES (systemd, kubernetes).", metavar="NAME"),
    ] = None,
    variables: Annotated[
        list[str] | None,
        typer.Option("--env", help="Keep this variable for the runs.", metavar="NAME"),
    ] = None,
    environment_file: Annotated[
        Path | None,
        typer.Option("--env-file", help="File with variables for the runs.", metavar="FILE"),
    ] = None,
    kind: Annotated[
        Format,
        typer.Option(
            "--format", help="The scheduler; entries for others than crontab are printed."
        ),
    ] = Format.CRONTAB,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the entry; leave the crontab alone.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a schedule of the same name.")
    ] = False,
    image: Annotated[
        str, typer.Option(help="Image of the container (kubernetes).")
    ] = "hybrid-parsl:latest",
    claim: Annotated[
        str, typer.Option(help="PersistentVolumeClaim for the runs (kubernetes).")
    ] = "hybrid-parsl-runs",
    service_account: Annotated[
        str, typer.Option(help="Service account of the driver (kubernetes).")
    ] = "hybrid-parsl-driver",
) -> None:
    """Run an experiment at planned times: a line of the crontab, or one for another scheduler."""
    from hybrid_parsl.schedule.definition import Schedule, check_name, state_folder
    from hybrid_parsl.schedule.environment import captured, check_start, read_environment_file
    from hybrid_parsl.schedule.kept_settings import kept_settings
    from hybrid_parsl.schedule.kubernetes import cron_job

    _check_options(cron, timezone, kind, on_failure, environment_file)
    project = context.obj.project()
    asked, place = _load(experiment, overrides or [], site, site_settings or [], project)
    is_named = site in project.sites() or not Path(place.source).is_file()
    late = read_environment_file(environment_file) if environment_file else {}
    name = check_name(name or asked.name)
    schedule = Schedule(
        name=name,
        cron=cron,
        timezone=timezone,
        format=kind,
        experiment=str(project.experiment_path(experiment)),
        overrides=overrides or [],
        site=site if is_named else place.source,
        site_settings=site_settings or [],
        settings=kept_settings(place, late),
        project=str(project.folder),
        folder=str(Path.cwd()),
        runs_dir=str(runs_dir.absolute()),
        state=str(state_folder(name)),
        deadline=_time_span(deadline),
        keep=keep,
        on_failure=on_failure,
        environment=captured(variables or []),
        environment_file=str(environment_file.absolute()) if environment_file else None,
    )
    if kind is Format.KUBERNETES:
        if variables or environment_file:
            say_aside("--env and --env-file are not taken along: give the container an envFrom")
        write(cron_job(schedule, asked, image, claim, service_account))
        say_aside(
            f"it needs the service account {service_account} and the claim {claim} in its "
            "namespace; see containers/kubernetes"
        )
        return
    check_start()
    entry = _store(schedule, kind, install=kind is Format.CRONTAB and not print_only, again=replace)
    say(entry)
    if schedule.settings:
        names = ", ".join(schedule.settings)
        say_aside(f"the runs keep the site settings that are in force now: {names}")


def _check_options(
    cron: str, timezone: str | None, kind: Format, on_failure: str | None, variables: Path | None
) -> None:
    """Refuse what a schedule cannot have, before anything is loaded.

    Raises
    ------
    ConfigurationError
        If an option is not valid.
    """
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.schedule.clock import time_zone
    from hybrid_parsl.schedule.cron_expression import parse_cron
    from hybrid_parsl.schedule.environment import read_environment_file
    from hybrid_parsl.schedule.notification import check_target

    parse_cron(cron)
    if timezone is not None and kind in (Format.CRONTAB, Format.SCRONTAB):
        message = f"{kind} knows no time zone but that of its computer"
        valid = "--format systemd or kubernetes, or TIMES in the time zone of the computer"
        raise ConfigurationError(message, "--timezone", None, timezone, valid)
    time_zone(timezone)
    if on_failure is not None:
        check_target(on_failure)
    if variables is not None:
        read_environment_file(variables)


def _load(
    experiment: str, overrides: list[str], site: str, settings: list[str], project: Project
) -> tuple[Experiment, Site]:
    """Return the experiment and the site, both checked.

    Raises
    ------
    ConfigurationError
        If a run would be refused.
    """
    from hybrid_parsl.cli.run import load_experiment
    from hybrid_parsl.engine.sites import load_site

    asked = load_experiment(experiment, overrides, project)
    place = load_site(site, project, settings)
    place.settings()
    return asked, place


def _time_span(text: str) -> timedelta | None:
    """Return a deadline, None for ``none``.

    Raises
    ------
    ConfigurationError
        If it is not a time span, or not above 0.
    """
    from hybrid_parsl.engine.time_spans import read_duration
    from hybrid_parsl.errors import ConfigurationError

    if text == "none":
        return None
    try:
        found = read_duration(text)
    except ValueError as error:
        raise ConfigurationError(str(error), "--deadline", None, text) from error
    if isinstance(found, timedelta) and found > timedelta(0):
        return found
    message = "should be more than 0s"
    raise ConfigurationError(message, "--deadline", None, text, "a time span, or none")


def _store(schedule: Schedule, kind: Format, *, install: bool, again: bool) -> str:
    """Keep the schedule, add it to the crontab if asked to, and return what to print.

    Raises
    ------
    HybridParslError
        If there is another one of this name, or a file or the crontab cannot be written.
    """
    from hybrid_parsl.atomic_file import write_atomically
    from hybrid_parsl.errors import ConfigurationError, HybridParslError
    from hybrid_parsl.schedule import crontab
    from hybrid_parsl.schedule.definition import schedules_folder, write_definition
    from hybrid_parsl.schedule.overview import next_time

    path = schedules_folder() / f"{schedule.name}.toml"
    is_new, is_known = not path.exists(), _is_known(path, schedule)
    if not (is_new or again or is_known):
        valid = "another --name, or --replace"
        message = "there is another schedule of this name"
        raise ConfigurationError(message, "--name", None, schedule.name, valid)
    entry = _entry(schedule, kind, str(path))
    if not install:
        write_definition(schedule)
        if is_known:
            say_aside(f"{schedule.name} is unchanged")
        if kind is not Format.CRONTAB and crontab.is_installed(path):
            say_aside(f"{schedule.name} is in the crontab, too: take its line out with crontab -e")
        return entry
    table = crontab.read_crontab()
    if is_known and crontab.has_entry(table, entry):
        return (
            f"{schedule.name} is unchanged in the crontab; next at {next_time(schedule)}\n{entry}"
        )
    before = None if is_new else path.read_bytes()
    is_replaced = crontab.has_line(table, str(path))
    write_definition(schedule)
    try:
        crontab.install(schedule.expression(), path)
    except HybridParslError:
        if before is None:
            path.unlink()
        else:  # the line that is there still carries it out
            write_atomically(path, before)
        raise
    done = "replaced {} in the crontab; next" if is_replaced else "added {} to the crontab; first"
    return f"{done.format(schedule.name)} at {next_time(schedule)}\n{entry}"


def _is_known(path: Path, schedule: Schedule) -> bool:
    """Return whether the file at `path` holds just this schedule, as after ``--print``."""
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.schedule.definition import read_definition

    try:
        return read_definition(path) == schedule
    except ConfigurationError:
        return False


def _entry(schedule: Schedule, kind: Format, definition: str) -> str:
    """Return the entry for a scheduler.

    Raises
    ------
    ConfigurationError
        If it cannot express the schedule.
    """
    from hybrid_parsl.schedule.crontab import crontab_line
    from hybrid_parsl.schedule.scrontab import scrontab_entry
    from hybrid_parsl.schedule.systemd import systemd_units

    if kind is Format.CRONTAB:
        return crontab_line(schedule.expression(), definition)
    if kind is Format.SCRONTAB:
        return scrontab_entry(schedule, definition)
    units = systemd_units(schedule, definition)
    return "\n".join(f"# ~/.config/systemd/user/{name}\n{text}" for name, text in units.items())
