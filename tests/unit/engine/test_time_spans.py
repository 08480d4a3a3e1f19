"""Time spans are read as people and schedulers write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybrid_parsl.engine.time_spans import read_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2d", 172_800),
        ("1:30:00", 5400),
        ("1-12:00:00", 129_600),
        ("100:00:01", 360_001),
    ],
)
def test_time_spans(text: str, seconds: int) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@given(st.text())
@example("86400000000000")
@example("999999999-24:00:00")
def test_no_other_text_is_a_time_span(text: str) -> None:
    try:
        found = read_duration(text)
    except ValueError:
        return
    assert isinstance(found, timedelta)
