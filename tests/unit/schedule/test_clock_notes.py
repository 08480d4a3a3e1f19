from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hybrid_parsl.schedule.attempts import Attempt
from hybrid_parsl.schedule.clock import Moment
from hybrid_parsl.schedule.clock_notes import MOST_MISSED, clock_notes

ZONE = "Europe/Berlin"


def moment(utc, zone=ZONE, *, set_by_s=0.0, boot="b"):
    """Return what a computer reads at `utc` whose clock is wrong by `set_by_s`."""
    true = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    local = (true + timedelta(seconds=set_by_s)).astimezone(ZoneInfo(zone))
    return Moment.from_json(Moment(local, boot, true.timestamp() - 1.7e9).to_json())


def attempt(start, end=None, cron="30 2 * * *", zone=ZONE, *, by_hand=False):
    return Attempt(
        start.local.isoformat(), start, cron, zone, by_hand, "process 1 on a host", ended=end
    )


def notes(*attempts):
    return [" | ".join(each) for each in clock_notes(attempts)]


def test_a_run_in_time_has_nothing_to_tell():
    days = [attempt(moment(f"2026-06-{day:02d}T00:30:01")) for day in (1, 2, 3)]
    assert notes(*days) == ["", "", ""]


def test_spring_the_planned_time_is_skipped_and_the_offset_changes():
    before = attempt(moment("2026-03-28T01:30:01"))
    skipped = attempt(moment("2026-03-29T01:00:01"))  # 03:00:01 in summer time
    after = attempt(moment("2026-03-30T00:30:01"))
    told = (
        "local time went from UTC+01:00 to UTC+02:00 | "
        "its planned time did not exist that day: the clock went over it"
    )
    assert notes(before, skipped, after) == ["", told, ""]


def test_autumn_the_hour_comes_twice():
    first = attempt(moment("2026-10-25T00:30:01"))
    second = attempt(moment("2026-10-25T01:30:01"))
    told = (
        "local time went from UTC+02:00 to UTC+01:00 | "
        "02:30 came twice that day; this is the second, UTC+01:00 | "
        "began 1 h 00 min after its planned time"
    )
    assert notes(first, second) == ["02:30 came twice that day; this is the first, UTC+02:00", told]


def test_hourly_runs_through_autumn_miss_nothing():
    hours = [
        attempt(moment(f"2026-10-{d}:00:01"), cron="0 * * * *")
        for d in ("24T23", "25T00", "25T01", "25T02")
    ]
    assert "missed" not in "".join(notes(*hours))
    assert notes(*hours)[0] == notes(*hours)[3] == ""


def test_a_run_through_the_change_has_its_true_duration():
    start, end = moment("2026-03-29T00:30:00"), moment("2026-03-29T01:30:00")
    assert end.since(start) == 3600
    (found,) = notes(attempt(start, end, cron="30 1 * * *"))
    assert found == "local time went from UTC+01:00 to UTC+02:00 during this run"


@pytest.mark.parametrize(
    ("set_by_s", "words"), [(3600, "forward by 1 h 00 min"), (-90, "back by 1 min 30 s")]
)
def test_a_clock_that_was_set_during_a_run(set_by_s, words):
    start = moment("2026-06-01T00:30:01")
    end = moment("2026-06-01T00:31:01", set_by_s=set_by_s)
    assert notes(attempt(start, end)) == [f"the clock was set {words} during this run"]
    assert end.since(start) == 60


def test_a_clock_that_was_set_back_between_two_runs():
    first = attempt(moment("2026-06-02T00:30:01"))
    second = attempt(moment("2026-06-02T00:40:01", set_by_s=-86_400 - 600))
    assert notes(first, second)[1] == "the clock was set back by 1 d 00 h before this run"


def test_after_a_restart_nothing_is_known_of_the_clock():
    first = attempt(moment("2026-06-01T00:30:01"))
    second = attempt(moment("2026-06-02T00:30:01", set_by_s=1, boot="another"))
    assert notes(first, second)[1] == ""
    assert second.started.since(first.started) == 86_401


def test_a_computer_that_was_off_has_missed_its_times():
    first = attempt(moment("2026-06-01T00:30:01"))
    later = attempt(moment("2026-06-04T06:30:01", boot="another"))
    assert notes(first, later)[1] == (
        "began 6 h 00 min after its planned time | "
        "2 planned times missed before it, from 2026-06-02 02:30 on"
    )


def test_one_time_that_was_missed_is_told():
    first = attempt(moment("2026-06-01T00:30:01"))
    later = attempt(moment("2026-06-03T00:30:01"))
    assert notes(first, later)[1] == "1 planned time missed before it, 2026-06-02 02:30"


def test_a_long_time_off_is_not_counted_to_its_end():
    first = attempt(moment("2026-06-01T00:30:01"), cron="* * * * *")
    later = attempt(moment("2026-07-01T00:30:01"), cron="* * * * *")
    assert f"more than {MOST_MISSED} planned times missed" in notes(first, later)[1]


def test_a_run_by_hand_is_never_late():
    assert notes(attempt(moment("2026-06-01T12:00:00"), by_hand=True)) == [""]


def test_a_computer_that_has_moved():
    first = attempt(moment("2026-06-01T00:30:01"), zone=None)
    second = attempt(moment("2026-06-01T20:30:01", "Asia/Kolkata"), zone=None)
    assert "local time went from UTC+02:00 to UTC+05:30" in notes(first, second)[1]


def test_nothing_was_missed_of_times_that_were_planned_later():
    first = attempt(moment("2026-06-01T00:30:01"), cron="0 0 1 * *")
    later = attempt(moment("2026-07-01T00:30:01"), cron="*/5 * * * *")
    assert notes(first, later)[1] == ""
