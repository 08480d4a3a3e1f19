from __future__ import annotations

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.clock import Moment, local_zone_name, offset_name, time_zone


def test_a_moment_survives_json():
    now = Moment.now(ZoneInfo("Asia/Kathmandu"))
    told = now.to_json()
    again = Moment.from_json(told)
    assert again.to_json() == told
    assert again.offset == timedelta(hours=5, minutes=45)
    assert told["time"].endswith("Z")


def test_moments_follow_each_other_by_the_clock_that_nobody_sets():
    first, second = Moment.now(UTC), Moment.now(None)
    assert second.since(first) >= 0
    assert second.clock_set_by(first) == 0


@pytest.mark.parametrize(
    ("text", "name"),
    [("Europe/Berlin", "Europe/Berlin"), (":UTC", "UTC"), ("CET-1CEST", None), ("../etc", None)],
)
def test_the_time_zone_of_the_computer(monkeypatch, text, name):
    monkeypatch.setenv("TZ", text)
    assert local_zone_name() == name


def test_a_time_zone_that_nobody_knows():
    with pytest.raises(ConfigurationError, match="IANA"):
        time_zone("Europe/Atlantis")


@pytest.mark.parametrize(
    ("minutes", "name"), [(0, "UTC+00:00"), (-210, "UTC-03:30"), (345, "UTC+05:45")]
)
def test_differences_to_utc(minutes, name):
    assert offset_name(timedelta(minutes=minutes)) == name
