from __future__ import annotations

import json
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import StorageError
from hybrid_parsl.schedule.attempts import History
from hybrid_parsl.schedule.clock import Moment


def begin(history, name, process="process 1 on a"):
    history.append(
        "started",
        name,
        **Moment.now(UTC).to_json(),
        cron="* * * * *",
        timezone=None,
        by_hand=False,
        process=process,
    )


def end(history, name, **values):
    known = {"outcome": "completed", "exit_code": 0, "energy": -1.0, "message": ""}
    history.append("ended", name, **Moment.now(UTC).to_json(), **{**known, **values})


@pytest.fixture
def history(tmp_path):
    return History(tmp_path)


def test_an_attempt_is_told_from_its_lines(history):
    begin(history, "a")
    history.append("run", "a", run="/runs/x")
    history.append("error", "a", message="meanwhile")
    end(history, "a", outcome="failed", exit_code=4, energy=None, message="no such observable")
    (found,) = history.attempts()
    assert (found.id, found.run, found.outcome, found.exit_code) == ("a", "/runs/x", "failed", 4)
    assert found.message == "no such observable"
    assert found.duration_s >= 0
    assert json.loads(json.dumps(found.to_json()))["outcome"] == "failed"


def test_one_that_has_no_end_is_running_or_lost(history):
    begin(history, "a")
    begin(history, "b", "process 2 on a")
    assert [each.outcome for each in history.attempts("process 2 on a")] == ["lost", "running"]
    assert [each.outcome for each in history.attempts()] == ["lost", "lost"]


def test_half_a_line_of_a_process_that_died_costs_nothing_else(history):
    begin(history, "a")
    with history.path.open("a") as file:
        file.write('{"event": "ended", "att')
    begin(history, "b")
    end(history, "b")
    assert [each.outcome for each in history.attempts()] == ["lost", "completed"]


@given(st.lists(st.one_of(st.text(), st.just('{"event": "started", "attempt": 3}'))))
def test_any_file_can_be_read(tmp_path_factory, lines):
    history = History(tmp_path_factory.mktemp("state"))
    history.path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    begin(history, "a")
    assert [each.id for each in history.attempts()] == ["a"]


def test_a_history_that_cannot_be_written(tmp_path):
    with pytest.raises(StorageError, match="history"):
        begin(History(tmp_path / "missing"), "a")


def test_nothing_has_happened_yet(history):
    assert history.attempts() == []
