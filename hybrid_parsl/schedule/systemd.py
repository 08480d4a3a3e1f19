"""A schedule as a service and a timer of systemd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.cron_expression import WEEKDAYS
from hybrid_parsl.schedule.crontab import command_words
from hybrid_parsl.schedule.plain_times import ranges
from hybrid_parsl.schedule.scheduled_run import GRACE_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hybrid_parsl.schedule.cron_expression import CronExpression
    from hybrid_parsl.schedule.definition import Schedule

_STARTING_S = 60
_SPECIAL = {"\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$"}


def systemd_units(schedule: Schedule, definition: str) -> dict[str, str]:
    """Return the texts of both units by the names of their files.

    Raises
    ------
    ConfigurationError
        If a path cannot be written there.
    """
    stem = f"hybrid-parsl-{schedule.name}"
    limit_s = schedule.deadline_s
    start = "infinity" if limit_s is None else f"{limit_s + GRACE_S + _STARTING_S:.0f}"
    service = [
        "[Unit]",
        f"Description=hybrid-parsl schedule {schedule.name}",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={' '.join(_quoted(word) for word in command_words(definition))}",
        f"TimeoutStartSec={start}",
        f"TimeoutStopSec={GRACE_S + _STARTING_S:.0f}",
        "KillMode=mixed",
    ]
    timer = [
        "[Unit]",
        f"Description=hybrid-parsl schedule {schedule.name}",
        "",
        "[Timer]",
        *(
            f"OnCalendar={event}"
            for event in calendar_events(schedule.expression(), schedule.timezone)
        ),
        "AccuracySec=1s",
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return {
        f"{stem}.service": "\n".join(service) + "\n",
        f"{stem}.timer": "\n".join(timer) + "\n",
    }


def calendar_events(cron: CronExpression, timezone: str | None = None) -> list[str]:
    """Return the calendar events, systemd.time(7), that together are the planned times of `cron`.

    Two where cron wants one field of days or the other.
    """
    weekdays = "" if cron.all_weekdays else _weekdays(cron)
    zone = f" {timezone}" if timezone else ""
    months = "*" if len(cron.months) == 12 else _numbers(cron.months)  # noqa: PLR2004
    days = "*" if cron.all_days else _numbers(cron.days)
    hours = "*" if len(cron.hours) == 24 else _numbers(cron.hours)  # noqa: PLR2004
    minutes = "*" if len(cron.minutes) == 60 else _numbers(cron.minutes)  # noqa: PLR2004
    time = f"{hours}:{minutes}:00{zone}"
    if cron.either_day and weekdays and days != "*":
        return [f"*-{months}-{days} {time}", f"{weekdays}*-{months}-* {time}"]
    if cron.either_day:
        return [f"*-{months}-* {time}"]
    return [f"{weekdays}*-{months}-{days} {time}"]


def _weekdays(cron: CronExpression) -> str:
    """Return the days of the week, with a blank after them."""
    return ",".join(WEEKDAYS[day].capitalize() for day in sorted(cron.weekdays)) + " "


def _numbers(values: Iterable[int]) -> str:
    """Return a list of numbers, with neighbours as a range."""
    return ",".join(
        f"{first:02d}..{last:02d}" if last > first else f"{first:02d}"
        for first, last in ranges(values)
    )


def _quoted(word: str) -> str:
    """Return a word of a command line, systemd.service(5).

    Raises
    ------
    ConfigurationError
        If it has a control character.
    """
    if not word.isprintable():
        message = "a unit cannot hold a path with such a character"
        raise ConfigurationError(message, None, None, repr(word))
    escaped = "".join(_SPECIAL.get(letter, letter) for letter in word)
    return f'"{escaped}"' if escaped != word or " " in word or "'" in word else word
