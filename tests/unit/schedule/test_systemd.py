from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from itertools import islice

import pytest
from services import require

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.cron_expression import parse_cron
from hybrid_parsl.schedule.systemd import calendar_events, systemd_units

EXPRESSIONS = [
    "0 2 * * *",
    "*/7 * * * *",
    "30 2 1,15 * mon",
    "0 0 * * 5-7",
    "15 3-5,8 */9 1,2,3,12 *",
    "0 12 */2 * sat,sun",
    "0 6 1-31 * mon",
    "0 6 13 * 0-6",
    "0 0 29 2 *",
    "@weekly",
    "@hourly",
]


@pytest.fixture
def analyze():
    """Call systemd-analyze, which reads calendar events as a timer does."""

    def call(*arguments):
        try:
            done = subprocess.run(
                ["systemd-analyze", *arguments],
                capture_output=True,
                text=True,
                check=False,
                env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
            )
        except FileNotFoundError:
            require("systemd-analyze", "systemd", available=False)
        return done

    return call


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_events_are_the_planned_times(analyze, text):
    cron = parse_cron(text)
    found = set()
    for event in calendar_events(cron, "UTC"):
        base = ["--iterations=30", "--base-time=2026-11-22 00:00:00 UTC"]
        said = analyze("calendar", *base, event)
        assert said.returncode == 0, said.stderr
        found |= set(re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", said.stdout))
    planned = islice(cron.times(datetime(2026, 11, 22, tzinfo=UTC)), 10)
    assert sorted(found)[:10] == [f"{time:%Y-%m-%d %H:%M:%S}" for time in planned]


def test_the_units_are_those_of_systemd(analyze, make_schedule, tmp_path):
    schedule = make_schedule(cron="30 2 1,15 * mon", deadline="90m", timezone="Europe/Berlin")
    definition = tmp_path / "a %n $HOME 'b' \"c\" \\d.toml"
    units = systemd_units(schedule, str(definition))
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    said = analyze("verify", "--man=no", *(str(tmp_path / name) for name in units))
    assert said.returncode == 0, said.stderr
    assert str(tmp_path) not in said.stderr
    service, timer = units.values()
    assert "TimeoutStartSec=5550" in service
    assert timer.count("OnCalendar=") == 2


def test_without_a_deadline_there_is_no_limit(make_schedule):
    service = systemd_units(make_schedule(deadline=None), "/s/a.toml")["hybrid-parsl-a.service"]
    assert "TimeoutStartSec=infinity" in service


def test_a_path_that_no_unit_can_hold_is_refused(make_schedule):
    with pytest.raises(ConfigurationError, match="cannot hold"):
        systemd_units(make_schedule(), "/a\nExecStartPost=/bin/true")
