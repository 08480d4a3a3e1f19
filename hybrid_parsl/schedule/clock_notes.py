"""What the history says of the clock: late, missed, skipped and repeated hours."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.report.text import duration, several
from hybrid_parsl.schedule.clock import offset_name, time_zone
from hybrid_parsl.schedule.cron_expression import parse_cron

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from hybrid_parsl.schedule.attempts import Attempt

LATE_S = 120.0
MOST_MISSED = 1000


def clock_notes(attempts: Sequence[Attempt]) -> list[list[str]]:
    """Return for each attempt what there is to say of its time, and of the time before it."""
    found = []
    for index, attempt in enumerate(attempts):
        earlier = attempts[index - 1] if index else None
        found.append([*_since(earlier, attempt), *_planned(earlier, attempt), *_during(attempt)])
    return found


def _since(earlier: Attempt | None, attempt: Attempt) -> Iterator[str]:
    """Say what the clock did since the attempt before."""
    if earlier is None:
        return
    last = earlier.ended or earlier.started
    yield from _set_by(attempt.started.clock_set_by(last), "before this run")
    if last.offset != attempt.started.offset:
        before, now = offset_name(last.offset), offset_name(attempt.started.offset)
        yield f"local time went from {before} to {now}"


def _during(attempt: Attempt) -> Iterator[str]:
    """Say what the clock did while the run was under way."""
    if attempt.ended is None:
        return
    yield from _set_by(attempt.ended.clock_set_by(attempt.started), "during this run")
    if attempt.ended.offset != attempt.started.offset:
        before, now = offset_name(attempt.started.offset), offset_name(attempt.ended.offset)
        yield f"local time went from {before} to {now} during this run"


def _set_by(seconds: float, when: str) -> Iterator[str]:
    """Say by how much the clock was set."""
    if seconds:
        direction = "forward" if seconds > 0 else "back"
        yield f"the clock was set {direction} by {duration(abs(seconds))} {when}"


def _planned(earlier: Attempt | None, attempt: Attempt) -> Iterator[str]:
    """Compare the start with the planned times."""
    try:
        zone = attempt.started.local.tzinfo
        zone = time_zone(attempt.timezone) if attempt.timezone else zone
        cron = parse_cron(attempt.cron)
    except ConfigurationError:
        return
    start = attempt.started.local.astimezone(zone)
    yield from _repeated(start)
    if attempt.by_hand:
        return
    planned = cron.last_time(start)
    if planned is None:
        return
    if planned.hour not in cron.hours or planned.minute not in cron.minutes:
        yield "its planned time did not exist that day: the clock went over it"
    late_s = (start.timestamp()) - planned.timestamp()
    if late_s > LATE_S:
        yield f"began {duration(late_s)} after its planned time"
    if earlier is None or (earlier.cron, earlier.timezone) != (attempt.cron, attempt.timezone):
        return  # the moment of the change is unknown
    if earlier.started.local < attempt.started.local:
        times = cron.times(earlier.started.local.astimezone(zone))
        before = takewhile(lambda time: time.timestamp() < planned.timestamp(), times)
        yield from _missed(list(islice(before, MOST_MISSED + 1)))


def _missed(times: Sequence[datetime]) -> Iterator[str]:
    """List the planned times that were missed."""
    if times:
        number = f"more than {MOST_MISSED} planned times" if len(times) > MOST_MISSED else ""
        first = f"{times[0]:%Y-%m-%d %H:%M}"
        since = first if len(times) == 1 else f"from {first} on"
        yield f"{number or several(len(times), 'planned time')} missed before it, {since}"


def _repeated(start: datetime) -> Iterator[str]:
    """Say whether the local time of the start comes twice on its day."""
    first, second = start.replace(fold=0).utcoffset(), start.replace(fold=1).utcoffset()
    if first is None or second is None or first <= second:  # a gap has first < second
        return
    which = "second" if start.utcoffset() == second else "first"
    offset = offset_name(start.utcoffset() or timedelta(0))
    yield f"{start:%H:%M} came twice that day; this is the {which}, {offset}"
