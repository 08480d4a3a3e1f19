"""Times of cron, drawn at random: everything that its five fields may hold."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError
from hypothesis import strategies as st

LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


@st.composite
def terms(draw, low, high):
    kind = draw(st.sampled_from(["*", "*/", "n", "-", "-/"]))
    first = draw(st.integers(low, high - 1))
    last = draw(st.integers(first + 1, high))
    step = draw(st.integers(1, high))
    return {
        "*": "*",
        "*/": f"*/{step}",
        "n": str(first),
        "-": f"{first}-{last}",
        "-/": f"{first}-{last}/{step}",
    }[kind]


def fields(low, high):
    return st.lists(terms(low, high), min_size=1, max_size=3).map(",".join)


NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def comes(text):
    with contextlib.suppress(CronSimError):
        return next(CronSim(text, NEW_YEAR), None) is not None
    return False


expressions = st.tuples(*(fields(low, high) for low, high in LIMITS)).map(" ".join).filter(comes)
