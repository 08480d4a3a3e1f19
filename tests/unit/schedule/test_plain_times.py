from __future__ import annotations

import re
from datetime import timedelta
from itertools import islice

import pytest
from cron_expressions import NEW_YEAR, expressions
from cronsim import CronSim
from hypothesis import given

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.cron_expression import parse_cron
from hybrid_parsl.schedule.plain_times import plain_times

LIST = r"\d+(-\d+)?(,\d+(-\d+)?)*"
FIELD = re.compile(rf"\*|{LIST}")


def numbers(field, low, high):
    if field == "*":
        return set(range(low, high + 1))
    pairs = [term.partition("-") for term in field.split(",")]
    return {n for first, _, last in pairs for n in range(int(first), int(last or first) + 1)}


def elsewhere(plain, day):
    """Return whether Slurm and Kubernetes run at a day: a star means that its field is left out."""
    days, _, weekdays = plain.split()[2:]
    on_day = day.day in numbers(days, 1, 31)
    on_weekday = day.isoweekday() % 7 in numbers(weekdays, 0, 6)
    return on_day and on_weekday if "*" in (days, weekdays) else on_day or on_weekday


@given(expressions)
def test_they_are_the_same_times_everywhere(text):
    cron = parse_cron(text)
    try:
        plain = plain_times(cron)
    except ConfigurationError:
        assert not any((cron.either_day, cron.all_days, cron.all_weekdays))
        return
    assert all(FIELD.fullmatch(field) for field in plain.split())
    assert list(islice(CronSim(plain, NEW_YEAR), 3)) == list(islice(CronSim(text, NEW_YEAR), 3))
    for day in (NEW_YEAR + timedelta(days=n) for n in range(60)):
        both = day.day in cron.days, day.isoweekday() % 7 in cron.weekdays
        assert elsewhere(plain, day) == (any(both) if cron.either_day else all(both))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("0 2 * * *", "0 2 * * *"),
        ("0 2 1-7,20 jan,mar-may mon-fri", "0 2 1-7,20 1,3-5 1-5"),
        ("3-59/20 */6 * * 7", "3,23,43 0,6,12,18 * * 0"),
        ("0 6 1-31 * mon", "0 6 1-31 * 1"),
        ("0 6 */2 * 0-6", f"0 6 {','.join(map(str, range(1, 32, 2)))} * *"),
        ("*/1 * * * *", "* * * * *"),
        ("@weekly", "0 0 * * 0"),
    ],
)
def test_numbers_ranges_and_lists(text, plain):
    assert plain_times(parse_cron(text)) == plain


def test_days_that_have_to_be_in_both_fields_are_refused():
    with pytest.raises(ConfigurationError, match="either one elsewhere"):
        plain_times(parse_cron("0 2 */2 * mon"))
