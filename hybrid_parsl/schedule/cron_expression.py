"""When a schedule runs: the five fields of crontab(5), as Debian's cron reads them."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_GAP = timedelta(hours=4)  # the clock skips or repeats less at once
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_TERM = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")
_SINGLE = re.compile(r"\b(\w+)-(\w+)/\d+")
_QUARTZ = re.compile(r"[?#]|\bL\b|\dL\b|\dW\b|\bLW\b", re.IGNORECASE)


class _Field(NamedTuple):
    """What one of the five fields may hold."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, WEEKDAYS),
)


@dataclass(frozen=True)
class CronExpression:
    """A valid expression.

    Attributes
    ----------
    fields
        Its five fields as they were written; those of an ``@`` word spelt out.
    minutes, hours, days, months, weekdays
        What each field allows; Sunday is 0.
    """

    fields: tuple[str, str, str, str, str]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def __str__(self) -> str:
        return " ".join(self.fields)

    @property
    def all_days(self) -> bool:
        """Whether each day of the month is allowed."""
        return len(self.days) == 31  # noqa: PLR2004

    @property
    def all_weekdays(self) -> bool:
        """Whether each day of the week is allowed."""
        return len(self.weekdays) == 7  # noqa: PLR2004

    @property
    def either_day(self) -> bool:
        """Whether a day has to be in one of both fields of days only, instead of in both.

        So it is unless one of them begins with a star. Source: crontab(5) of Debian.
        """
        return not (self.fields[2].startswith("*") or self.fields[4].startswith("*"))

    def times(self, after: datetime) -> Iterator[datetime]:
        """Return the planned times later than `after`, in its time zone, as Debian's cron has them.

        A time of day that the clock skips comes right after the gap, one that comes twice the
        first time only, unless minute or hour begins with a star. Source: cron(8) of Debian.
        """
        from cronsim import CronSim

        found: Iterator[datetime] = CronSim(self._for_cronsim(), after)
        return found

    def _for_cronsim(self) -> str:
        """Return the expression for CronSim, which takes a step of a single number for another."""
        return " ".join(_SINGLE.sub(_without_step, field) for field in self.fields)

    def last_time(self, until: datetime) -> datetime | None:
        """Return the latest planned time that is not after `until`, None if there is none."""
        from cronsim import CronSim

        near = next(CronSim(self._for_cronsim(), until + timedelta(seconds=1), reverse=True), None)
        if near is None:
            return None
        earlier = takewhile(
            lambda time: time.timestamp() <= until.timestamp(), self.times(near - _GAP)
        )
        return next(iter(deque(earlier, maxlen=1)), near)


def _without_step(term: re.Match[str]) -> str:
    """Return ``a-a/s`` as ``a``, and everything else as it is."""
    return term[1] if term[1].lower() == term[2].lower() else term[0]


def parse_cron(text: str) -> CronExpression:
    """Return the expression that `text` is.

    Raises
    ------
    ConfigurationError
        If it is invalid, with the field and what would be valid there; or never comes.
    """
    fields = _fields(text)
    sets = [_parse_field(field, part) for field, part in zip(_FIELDS, fields, strict=True)]
    sets[4] = frozenset(day % 7 for day in sets[4])
    minute, hour, day, month, weekday = fields
    expression = CronExpression((minute, hour, day, month, weekday), *sets)
    if not (expression.either_day or _ever_comes(expression)):
        raise ConfigurationError(
            "never comes: none of the months has such a day", "the times", None, text
        )
    return expression


def _ever_comes(expression: CronExpression) -> bool:
    """Return whether a day of the month is in one of the months."""
    days = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
    return min(expression.days) <= max(days.get(month, 31) for month in expression.months)


def _fields(text: str) -> list[str]:
    """Return the five fields of `text`."""
    parts = text.split()
    if len(parts) == 1 and text.strip().startswith("@"):
        return _macro(text.strip().lower())
    if len(parts) != len(_FIELDS):
        what = "has seconds, which cron does not know" if len(parts) > len(_FIELDS) else "is short"
        raise ConfigurationError(
            f"an expression of {len(parts)} fields {what}",
            "the times",
            None,
            text,
            "'0 2 * * *': minute, hour, day of the month, month, day of the week",
        )
    return parts


def _macro(word: str) -> list[str]:
    """Return the five fields that `word` stands for."""
    if word in MACROS:
        return MACROS[word].split()
    message = "no such word"
    if word == "@reboot":
        message = "the start of a computer is no planned time"
    raise ConfigurationError(
        message, "the times", None, word, ", ".join(MACROS), nearest(word, MACROS)
    )


def _parse_field(field: _Field, text: str) -> frozenset[int]:
    """Return the numbers that a field allows."""
    found: set[int] = set()
    for term in text.split(","):
        found |= _parse_term(field, term, text)
    return frozenset(found)


def _parse_term(field: _Field, term: str, text: str) -> set[int]:
    """Return the numbers of one term of a list."""
    if _QUARTZ.search(term):
        suggestion = text.replace("?", "*") if "?" in term else None
        raise _fault(field, text, "is of Quartz, not of cron", suggestion)
    match = _TERM.fullmatch(term)
    if match is None or (match["first"] == "*" and match["last"]):
        raise _fault(field, text, "cannot be read")
    if match["first"] == "*":
        first, last = field.low, field.high
    else:
        first = _number(field, match["first"], text)
        last = first if match["last"] is None else _number(field, match["last"], text)
    if match["step"] is None:
        step = 1
    elif match["first"] != "*" and match["last"] is None:
        again = text.replace(term, f"{first}-{field.high}/{match['step']}")
        raise _fault(field, text, "has a step without a range", again)
    else:
        step = int(match["step"])
    if step == 0:
        raise _fault(field, text, "has a step of 0")
    if first > last:
        high = min(field.high, 6) if field.words == WEEKDAYS else field.high
        again = text.replace(term, f"{first}-{high},{field.low}-{last}")
        raise _fault(field, text, "is a range that goes down", again)
    return set(range(first, last + 1, step))


def _number(field: _Field, word: str, text: str) -> int:
    """Return the number that a word of a field is."""
    if word.lower() in field.words:
        return field.words.index(word.lower()) + (field.low if field.words == _MONTHS else 0)
    if word.isascii() and word.isdigit():
        value = int(word) if len(word) <= 3 else 999  # noqa: PLR2004 - more digits than any has
        if field.low <= value <= field.high:
            return value
        raise _fault(field, text, f"{word} is out of range")
    guess = re.sub("[A-Za-z]+", lambda each: nearest(each[0].lower()[:3], field.words) or "?", text)
    valid = field.words and "?" not in guess and guess
    raise _fault(field, text, f"'{word}' is no {field.name}", valid or None)


def _fault(
    field: _Field, text: str, message: str, suggestion: str | None = None
) -> ConfigurationError:
    """Return the error that says what is wrong with a field."""
    valid = f"{field.low} to {field.high}"
    if field.words:
        valid += f" or {field.words[0]} to {field.words[-1]}"
    valid += ", *, ranges 'a-b', steps '*/n' or 'a-b/n', and lists of these with commas"
    return ConfigurationError(message, "the times", field.name, text, valid, suggestion)
