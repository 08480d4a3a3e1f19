"""Time spans as people and schedulers write them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PARTS = re.compile(r"(\d+)\s*([smhd])")
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)")


def read_duration(value: object) -> object:
    """Return a time span written as ``90s``, ``1h30m``, ``2d``, ``1:30:00`` or ``1-12:00:00``.

    What is no text is left to pydantic, which takes a number for seconds.

    Raises
    ------
    ValueError
        The text is none of these or too long, or the value is true or false.
    """
    if not isinstance(value, str | bool):
        return value
    seconds = _seconds_in(str(value).strip())
    if seconds is None:
        message = "is no time span: write 90s, 30m, 1h30m, 2d, 1:30:00 or 1-12:00:00"
        raise ValueError(message)
    try:
        return timedelta(seconds=seconds)
    except OverflowError as error:
        message = f"is too long; valid: at most {timedelta.max.days} days"
        raise ValueError(message) from error


def _seconds_in(text: str) -> int | None:
    """Return the seconds that a text says; None if it says none.

    Raises
    ------
    ValueError
        A number has too many digits.
    """
    if text.isdecimal():
        return int(text)
    if clock := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return days * _UNITS["d"] + hours * _UNITS["h"] + minutes * _UNITS["m"] + seconds
    if not re.fullmatch(rf"({_PARTS.pattern}\s*)+", text):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in _PARTS.findall(text))


Duration = Annotated[
    timedelta, BeforeValidator(read_duration), PlainSerializer(timedelta.total_seconds)
]
"""A time span; in JSON, seconds."""


def _at_least_a_second(value: timedelta) -> timedelta:
    """Return `value`.

    Raises
    ------
    ValueError
        It is shorter.
    """
    if value < timedelta(seconds=1):
        message = "should be at least 1s"
        raise ValueError(message)
    return value


PositiveDuration = Annotated[Duration, AfterValidator(_at_least_a_second)]
"""A time span of at least a second, which is what schedulers count in."""
