"""Time spans are read as people and schedulers write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybrid_parsl.engine.time_spans import duration_text, read_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (0, 0),
        ("90s", 90),
        ("5m", 300),
        ("90min", 5400),
        ("1h30min", 5400),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2d", 172_800),
        ("1:30:00", 5400),
        ("1-12:00:00", 129_600),
        ("100:00:01", 360_001),
        ("1-12", 129_600),
        ("1-12:30", 131_400),
        ("1-12:30:01", 131_401),
        ("0-0:05", 300),
    ],
)
def test_time_spans(text: object, seconds: int) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", [90, 90.0, "90", " 90 ", "90.5"])
def test_a_number_without_a_unit_is_refused_with_both_readings(value: object) -> None:
    number = str(value).strip()
    with pytest.raises(ValueError, match="has no unit") as caught:
        read_duration(value)
    assert f"write {number}s for seconds, or {number}min for minutes as in Slurm" in str(
        caught.value
    )


def test_two_numbers_are_refused_with_both_readings() -> None:
    with pytest.raises(ValueError, match="write 1h30m, or 1m30s as Slurm and PBS read it"):
        read_duration("1:30")


@pytest.mark.parametrize(
    "value",
    [True, "-5s", "1-", "1-12:60", "1:30:60", "1:30:00:00", "5 minutes", "1.5h", "-1", "nan"],
)
def test_what_is_not_a_time_span(value: object) -> None:
    with pytest.raises(ValueError, match="is not a time span: write 90s, 30min"):
        read_duration(value)


@given(st.timedeltas(timedelta(0), timedelta(days=9999)))
def test_a_time_span_is_read_as_it_is_recorded(span: timedelta) -> None:
    span -= timedelta(microseconds=span.microseconds)
    assert read_duration(duration_text(span)) == span


@given(st.text())
@example("86400000000000")
@example("999999999-24:00:00")
def test_no_other_text_is_a_time_span(text: str) -> None:
    try:
        found = read_duration(text)
    except ValueError:
        return
    assert isinstance(found, timedelta)
