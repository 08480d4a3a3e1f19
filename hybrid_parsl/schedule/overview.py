"""All schedules at a glance, and the whole history of one, as JSON values."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule import crontab
from hybrid_parsl.schedule.clock import time_zone
from hybrid_parsl.schedule.clock_notes import clock_notes
from hybrid_parsl.schedule.definition import (
    Schedule,
    definition_file,
    definition_files,
    read_definition,
    state_folder,
)
from hybrid_parsl.schedule.kept_settings import changed_settings
from hybrid_parsl.schedule.scheduled_run import current_attempts

_COLUMNS = ("name", "times", "next", "format", "crontab", "site", "last", "experiment")


def overview() -> list[dict[str, Any]]:
    """Return one row a schedule; one that cannot be read says so.

    Raises
    ------
    ConfigurationError
        If the crontab cannot be read.
    """
    table = crontab.read_crontab() if crontab.is_available() else ""
    rows = []
    for name, path in definition_files().items():
        row: dict[str, Any] = dict.fromkeys(_COLUMNS, "") | {"name": name, "changed": []}
        try:
            schedule = read_definition(path)
            row |= {
                "times": schedule.cron,
                "next": next_time(schedule),
                "format": schedule.format.value,
                "crontab": "yes" if crontab.has_line(table, str(path)) else "no",
                "site": schedule.site,
                "last": _last(Path(schedule.state)),
                "experiment": schedule.experiment,
                "changed": changed_settings(schedule),
            }
        except ConfigurationError as error:
            row["last"] = f"broken: {error.message}"
        rows.append(row)
    return rows


def next_time(schedule: Schedule) -> str:
    """Return the next planned time with its time zone, as text.

    Raises
    ------
    ConfigurationError
        If the times or the time zone are not valid.
    """
    now = datetime.now(UTC).astimezone(time_zone(schedule.timezone))
    return f"{next(schedule.expression().times(now)):%Y-%m-%d %H:%M %Z}"


def _last(state: Path) -> str:
    """Return how the last attempt ended."""
    found = current_attempts(state)
    if not found:
        return "never"
    return f"{found[-1].outcome} {found[-1].started.local:%Y-%m-%d %H:%M}"


def history_of(name: str) -> dict[str, Any]:
    """Return the history of a schedule, which may be removed already.

    Returns
    -------
    document
        ``name``; ``times``, ``site``, ``experiment``, ``next`` and ``changed`` (site settings
        that differ from those it keeps) where it is still there;
        ``runs``, oldest first: what `Attempt.to_json` gives, and ``notes`` on the clock.

    Raises
    ------
    ConfigurationError
        If there is and was no such schedule, or its file cannot be read.
    """
    state = state_folder(name) if "/" not in name else None
    told: dict[str, Any] = {"name": name}
    if state is None or name in definition_files() or not state.is_dir():
        schedule = read_definition(definition_file(name))
        state = Path(schedule.state)
        told = {
            "name": schedule.name,
            "times": schedule.cron,
            "site": schedule.site,
            "experiment": Path(schedule.experiment).stem,
            "next": next_time(schedule),
            "changed": changed_settings(schedule),
        }
    found = current_attempts(state)
    pairs = zip(found, clock_notes(found), strict=True)
    told["runs"] = [{**attempt.to_json(), "notes": notes} for attempt, notes in pairs]
    return told
