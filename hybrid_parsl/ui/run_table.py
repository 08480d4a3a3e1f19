"""The table of runs: which are shown, in which order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from hybrid_parsl.report.sections import moment
from hybrid_parsl.report.text import finite, in_largest_unit
from hybrid_parsl.ui.run_page import Paging, paging

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hybrid_parsl.records.run_list import ListedRun

CHOICES = ("state", "workflow", "site")
"""The fields of a run that can be chosen from what there is."""
_NEWEST_FIRST = "-run"
_MINUTE_S = 60
_ORDERS: dict[str, Callable[[ListedRun], str | float]] = {
    "run": lambda run: run.run,
    "state": lambda run: run.state,
    "workflow": lambda run: run.workflow.casefold(),
    "site": lambda run: run.site.casefold(),
    "energy": lambda run: _number(run.best_energy),
    "started": lambda run: _seconds(run.started),
    "duration": lambda run: _number(run.duration_s),
}


class Column(NamedTuple):
    """A column of the table: its name in the address, its title, and how it is sorted."""

    key: str
    title: str
    is_number: bool
    direction: str
    next_sort: str


@dataclass(frozen=True)
class RunTable:
    """What is shown of the runs.

    Attributes
    ----------
    rows
        The runs on this page.
    paging
        Which ones of `n_rows` that fit the search.
    columns
        All columns.
    choices
        Of each field of `CHOICES`, the values that there are.
    asked
        The parameters of the address that count.
    """

    rows: Sequence[ListedRun]
    paging: Paging
    columns: list[Column]
    choices: dict[str, list[str]]
    asked: dict[str, str]

    def address(self, **changes: str) -> str:
        """Return the query string of the same table with other parameters."""
        asked = {**self.asked, **changes}
        return "?" + urlencode({key: value for key, value in asked.items() if value})


def run_table(runs: Sequence[ListedRun], parameters: Mapping[str, str]) -> RunTable:
    """Return the part of `runs` that the parameters of an address ask for.

    Parameters
    ----------
    runs
        All runs.
    parameters
        ``q``, words that must all be there; the fields of `CHOICES`; ``sort``, a column, with a
        minus sign for the largest first; ``page``, counted from 1.
    """
    asked = {key: parameters[key] for key in ("q", *CHOICES) if parameters.get(key)}
    sort = parameters.get("sort", "")
    sort = sort if sort.removeprefix("-") in _ORDERS else _NEWEST_FIRST
    if sort != _NEWEST_FIRST:
        asked["sort"] = sort
    words = asked.get("q", "").casefold().split()
    found = [
        run
        for run in runs
        if all(_choice(run, key) == asked[key] for key in CHOICES if key in asked)
        and all(word in _text(run) for word in words)
    ]
    pages = paging(len(found), parameters.get("page"))
    return RunTable(
        _ordered(found, sort)[pages.rows],
        pages,
        [_column(key, sort) for key in _ORDERS],
        {key: sorted({_choice(run, key) for run in runs} - {""}) for key in CHOICES},
        asked,
    )


def age(started: str, now: datetime) -> str:
    """Return how long ago a run began, in its largest unit; nothing if that is not known."""
    then = moment(started) if started else None
    seconds = (now - then).total_seconds() if then else -1.0
    if seconds >= _MINUTE_S:
        return f"{in_largest_unit(seconds)} ago"
    return "just now" if seconds >= 0 else ""


def _choice(run: ListedRun, key: str) -> str:
    """Return the value of a field of a run; of a study, the workflow without its points."""
    value: str = getattr(run, key)
    return value.partition(", ")[0] if key == "workflow" else value


def _text(run: ListedRun) -> str:
    """Return what is searched for words."""
    return f"{run.run} {run.state} {run.workflow} {run.site} {run.error}".casefold()


def _ordered(runs: list[ListedRun], sort: str) -> list[ListedRun]:
    """Return the runs in the order that was asked for; unknown values come last either way."""
    key = _ORDERS[sort.removeprefix("-")]
    unknown = [run for run in runs if key(run) in ("", math.inf)]
    known = [run for run in runs if key(run) not in ("", math.inf)]
    return [*sorted(known, key=key, reverse=sort.startswith("-")), *unknown]


def _number(value: object) -> float:
    """Return a number to sort by; infinity if it is not known."""
    known = finite(value)
    return math.inf if known is None else known


def _seconds(started: str) -> float:
    """Return the seconds since the epoch when a run began; infinity if that is not known."""
    then = moment(started) if started else None
    return (then - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() if then else math.inf


_TITLES = {"energy": "Best energy"}


def _column(key: str, sort: str) -> Column:
    """Return a column of a table that is sorted by `sort`."""
    direction = "none"
    if key == sort.removeprefix("-"):
        direction = "descending" if sort.startswith("-") else "ascending"
    next_sort = f"-{key}" if direction == "ascending" else key
    is_number = key in ("energy", "duration")
    return Column(key, _TITLES.get(key, key.capitalize()), is_number, direction, next_sort)
