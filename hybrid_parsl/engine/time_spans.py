"""Time spans as people and schedulers write them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_PARTS = re.compile(r"(\d+)\s*(min|[smhd])")
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)")
_DAYS = re.compile(r"(\d+)-(\d+)(?::([0-5]\d))?")
_SHORT_CLOCK = re.compile(r"(\d+):(\d+)")
VALID = "90s, 30min, 1h30m, 2d, 1:30:00 (hours, minutes, seconds), 1-12 or 1-12:30:00 (days)"


def read_duration(value: object) -> object:
    """Return a time span written as ``90s``, ``1h30m``, ``2d``, ``1:30:00`` or ``1-12:30``.

    Clocks and days are those of Slurm and PBS. A bare number is refused unless it is 0: Slurm
    counts minutes, others seconds.

    Raises
    ------
    ValueError
        If the text is not a duration, is ambiguous or too long.
    """
    if isinstance(value, timedelta) or value is None:
        return value
    seconds = _seconds_in(str(value).strip())
    if seconds is None:
        message = f"is not a time span: write {VALID}"
        raise ValueError(message)
    try:
        return timedelta(seconds=seconds)
    except OverflowError as error:
        message = f"is too long; valid: at most {timedelta.max.days} days"
        raise ValueError(message) from error


def duration_text(value: timedelta) -> str:
    """Return a time span as `read_duration` reads it."""
    return f"{value.total_seconds():.0f}s"


def _seconds_in(text: str) -> int | None:
    """Return the seconds that a text says; None if it says none.

    Raises
    ------
    ValueError
        If it could mean two things, or a number has too many digits.
    """
    if re.fullmatch(r"\d+(\.\d*)?", text) and float(text):
        message = f"has no unit: write {text}s for seconds, or {text}min for minutes as in Slurm"
        raise ValueError(message)
    if short := _SHORT_CLOCK.fullmatch(text):
        first, second = short.groups()
        message = (
            f"can mean two things: write {first}h{second}m, "
            f"or {first}m{second}s as Slurm and PBS read it"
        )
        raise ValueError(message)
    for pattern in (_CLOCK, _DAYS):
        if clock := pattern.fullmatch(text):
            days, hours, minutes, seconds = (int(part or 0) for part in (*clock.groups(), 0)[:4])
            return days * _UNITS["d"] + hours * _UNITS["h"] + minutes * _UNITS["m"] + seconds
    if text in ("0", "0.0"):
        return 0
    if not re.fullmatch(rf"({_PARTS.pattern}\s*)+", text):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in _PARTS.findall(text))


Duration = Annotated[timedelta, BeforeValidator(read_duration), PlainSerializer(duration_text)]
"""A time span; in JSON, text such as ``90s``."""


def _at_least_a_second(value: timedelta) -> timedelta:
    """Return `value`.

    Raises
    ------
    ValueError
        If it is shorter.
    """
    if value < timedelta(seconds=1):
        message = "should be at least 1s"
        raise ValueError(message)
    return value


PositiveDuration = Annotated[Duration, AfterValidator(_at_least_a_second)]
"""A time span of at least a second, which is what schedulers count in."""
