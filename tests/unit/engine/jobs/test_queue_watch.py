from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hybrid_parsl.engine.jobs.queue_watch import QueueEntry, QueueWatch
from hybrid_parsl.engine.jobs.registry import job_status

if TYPE_CHECKING:
    import pytest


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_state_and_reason_of_each_job_are_kept() -> None:
    polls: list[bool] = []
    watch = QueueWatch("slurm", lambda: polls.append(True))
    statuses = {"1": job_status("QUEUED"), "2": job_status("ACTIVE")}
    statuses["1"].message = "of PSI/J"
    watch.note_answer(statuses, {"1": "Resources"})
    assert watch.entry("1") == QueueEntry("QUEUED", "Resources")
    assert watch.entry("2") == QueueEntry("ACTIVE", "")
    assert watch.entry("3") is None
    watch.note_answer({"1": statuses["1"]}, {})
    assert watch.entry("1") == QueueEntry("QUEUED", "of PSI/J")
    assert (watch.entry("2"), watch.silence, len(polls)) == (None, None, 2)


def test_a_scheduler_that_does_not_answer_is_reported_once_in_its_own_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = QueueWatch("pbs", clock=Clock())
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            watch.note_silence("qstat: invalid option -- 'F'\nusage: qstat")
    assert watch.silence == "qstat: invalid option -- 'F' usage: qstat"
    assert messages(caplog) == [
        "pbs does not answer: qstat: invalid option -- 'F' usage: qstat; its jobs go on"
    ]


def test_a_hiccup_is_not_worth_a_line(caplog: pytest.LogCaptureFixture) -> None:
    watch = QueueWatch("pbs")
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            watch.note_silence("connection refused")
            watch.note_silence("connection refused")
            watch.note_answer({}, {})
    assert messages(caplog) == []


def test_another_reason_is_reported_after_a_pause_that_doubles(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    watch = QueueWatch("pbs", clock=clock)
    said = []
    with caplog.at_level(logging.WARNING):
        for second in range(300):
            clock.now_s = float(second)
            watch.note_silence(f"reason {second}")
            if len(messages(caplog)) > len(said):
                said.append(second)
    assert said == [2, 62, 182]


def test_that_it_answers_again_is_said_if_its_silence_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = QueueWatch("pbs", clock=Clock())
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            watch.note_silence("down")
        watch.note_answer({}, {})
        watch.note_answer({}, {})
    assert messages(caplog)[1:] == ["pbs answers again"]
    assert watch.silence is None
