"""Planned times in the words that all schedulers share, each in its own dialect."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hybrid_parsl.schedule.cron_expression import CronExpression

_ALL_MINUTES, _ALL_HOURS, _ALL_MONTHS = 60, 24, 12


def plain_times(cron: CronExpression) -> str:
    """Return the five fields of `cron` with nothing but numbers, ranges, lists and lone stars.

    Slurm reads no list of names and counts steps in its own way, Kubernetes knows no Sunday
    called 7, and to both a star stands for a field of days that does not count.
    Source: src/scrontab/parse.c of Slurm, github.com/robfig/cron of Kubernetes.

    Raises
    ------
    ConfigurationError
        If both fields of days count, and a day has to be in both: no other scheduler knows that.
    """
    if not (cron.either_day or cron.all_days or cron.all_weekdays):
        message = "days with a star and a step mean both fields to cron, and either one elsewhere"
        valid = "the days as a list, as in '0 2 1,3,5 * *', or --format crontab or systemd"
        raise ConfigurationError(message, "the times", None, str(cron), valid)
    return " ".join(
        (
            _field(cron.minutes, star=len(cron.minutes) == _ALL_MINUTES),
            _field(cron.hours, star=len(cron.hours) == _ALL_HOURS),
            _field(cron.days, star=cron.all_days and not cron.either_day),
            _field(cron.months, star=len(cron.months) == _ALL_MONTHS),
            _field(cron.weekdays, star=cron.all_weekdays and not cron.either_day),
        )
    )


def ranges(values: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last number of each run of neighbours.

    Examples
    --------
    >>> ranges({1, 2, 3, 7})
    [(1, 3), (7, 7)]
    """
    found = []
    for _, group in itertools.groupby(enumerate(sorted(values)), lambda pair: pair[1] - pair[0]):
        run = [value for _, value in group]
        found.append((run[0], run[-1]))
    return found


def _field(values: Iterable[int], *, star: bool) -> str:
    """Return one field."""
    if star:
        return "*"
    return ",".join(
        f"{first}-{last}" if last > first else str(first) for first, last in ranges(values)
    )
