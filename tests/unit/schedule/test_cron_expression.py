from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cron_expressions import NEW_YEAR, expressions
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.cron_expression import MACROS, parse_cron

BERLIN = ZoneInfo("Europe/Berlin")


@given(expressions)
def test_each_field_allows_what_cronsim_allows(text):
    found, known = parse_cron(text), CronSim(text, NEW_YEAR)
    assert found.minutes == known.minutes
    assert found.hours == known.hours
    assert found.days == known.days
    assert found.months == known.months
    assert found.weekdays == {day % 7 for day in known.weekdays}
    assert found.either_day != known.day_and


@given(st.text("0123456789*/-,@?L# monjan", max_size=24))
def test_any_text_is_an_expression_or_a_fault(text):
    with contextlib.suppress(ConfigurationError):
        found = parse_cron(text)
        assert next(iter(found.times(NEW_YEAR))).minute in found.minutes


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("60 * * * *", "minute", ["out of range", "0 to 59"]),
        ("0 24 * * *", "hour", ["out of range", "0 to 23"]),
        ("0 0 0 * *", "day of the month", ["out of range", "1 to 31"]),
        ("0 0 1 Juli *", "month", ["'Juli' is no month", "'jul'"]),
        ("0 2 * * Monday-Friday", "day of the week", ["'Monday' is no", "'mon-fri'"]),
        ("0 2 * * fri-mon", "day of the week", ["goes down", "'5-6,0-1'"]),
        ("0 22-4 * * *", "hour", ["goes down", "'22-23,0-4'"]),
        ("0 2 * * ?", "day of the week", ["Quartz", "did you mean '*'"]),
        ("0 2 L * *", "day of the month", ["Quartz"]),
        ("0 2 * * 5#2", "day of the week", ["Quartz"]),
        ("5/10 * * * *", "minute", ["without a range", "'5-59/10'"]),
        ("*/0 * * * *", "minute", ["step of 0"]),
        ("0,,5 * * * *", "minute", ["cannot be read"]),
        ("99999999999999999999 * * * *", "minute", ["out of range"]),
        ("٣ * * * *", "minute", ["is no minute"]),
        ("0 0 2 * * *", None, ["6 fields", "seconds"]),
        ("0 2 * *", None, ["4 fields"]),
        ("", None, ["0 fields"]),
        ("0 0 30 2 *", None, ["never comes"]),
        ("0 0 31 4,6,9,11 *", None, ["never comes"]),
        ("@dayly", None, ["did you mean '@daily'"]),
        ("@reboot", None, ["no planned time"]),
    ],
)
def test_a_fault_names_the_field_and_what_would_be_valid(text, key, words):
    with pytest.raises(ConfigurationError) as caught:
        parse_cron(text)
    assert caught.value.key == key
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("word", "fields"), MACROS.items())
def test_a_word_is_its_fields(word, fields):
    assert str(parse_cron(word)) == fields


def times(text, after, number=3):
    return [str(time) for time in islice(parse_cron(text).times(after), number)]


def test_a_time_that_the_clock_skips_comes_right_after_the_gap():
    assert times("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=BERLIN)) == [
        "2026-03-29 03:00:00+02:00",
        "2026-03-30 02:30:00+02:00",
        "2026-03-31 02:30:00+02:00",
    ]


def test_a_time_that_comes_twice_is_planned_once():
    assert times("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=BERLIN), 2) == [
        "2026-10-25 02:30:00+02:00",
        "2026-10-26 02:30:00+01:00",
    ]


def test_each_hour_comes_in_both_of_two_equal_hours():
    assert times("0 * * * *", datetime(2026, 10, 25, 1, 30, tzinfo=BERLIN)) == [
        "2026-10-25 02:00:00+02:00",
        "2026-10-25 02:00:00+01:00",
        "2026-10-25 03:00:00+01:00",
    ]


def test_one_field_of_days_or_the_other():
    after = datetime(2026, 11, 1, tzinfo=UTC)
    assert [time[8:10] for time in times("0 0 10 * mon", after, 4)] == ["02", "09", "10", "16"]
    both = times("0 0 */9 * mon", after, 3)  # days 1, 10, 19 and 28, if they are a Monday
    assert [time[:10] for time in both] == ["2026-12-28", "2027-02-01", "2027-03-01"]


@given(expressions, st.datetimes(timezones=st.sampled_from([UTC, BERLIN]), allow_imaginary=False))
def test_the_last_time_is_the_last_of_the_times(text, moment):
    moment = moment.replace(year=2020 + moment.year % 20, month=1 + moment.month % 12, day=25)
    cron = parse_cron(text)
    last = cron.last_time(moment)
    assert last is not None
    assert last.timestamp() <= moment.timestamp() < next(iter(cron.times(last))).timestamp()


def test_the_last_time_may_be_years_ago():
    last = parse_cron("0 0 29 2 *").last_time(datetime(2027, 1, 1, tzinfo=UTC))
    assert str(last) == "2024-02-29 00:00:00+00:00"


def test_the_last_time_of_a_day_on_which_it_was_skipped_is_after_the_gap():
    last = parse_cron("30 2 * * *").last_time(datetime(2026, 3, 29, 3, 0, 1, tzinfo=BERLIN))
    assert str(last) == "2026-03-29 03:00:00+02:00"


def test_a_step_of_one_number_is_that_number():
    after = datetime(2026, 11, 1, tzinfo=UTC)
    assert times("0 7-7/3 * * *", after, 2) == times("0 7 * * *", after, 2)
    assert times("0 7-9/2,11-11/5 * * mon-MON/2", after, 4) == times("0 7,9,11 * * 1", after, 4)


def test_the_last_time_where_the_clock_changes_by_half_an_hour():
    zone = ZoneInfo("Australia/Lord_Howe")
    moment = datetime(2027, 4, 4, 2, 10, tzinfo=zone)
    last = parse_cron("*/30 2 * * *").last_time(moment)
    assert last is not None
    assert last <= moment
