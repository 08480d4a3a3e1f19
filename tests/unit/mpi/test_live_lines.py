"""Lines for the driver go to the standard output, marked, and not without end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.mpi.live_lines import _BUDGET, LiveLines
from hybrid_parsl.psij_kubernetes.command import MARK_VARIABLE
from hybrid_parsl.psij_kubernetes.log_protocol import LiveLineDecoder

if TYPE_CHECKING:
    import pytest


def test_a_line_is_marked(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(MARK_VARIABLE, "0123abcd")
    lines = LiveLines(2)
    lines.tell("starts-00001.jsonl", "{}")
    lines.tell("ranks.json", "[1, 2]")
    told = capfd.readouterr().out
    found: list[tuple[str, bytes]] = []
    lines = LiveLineDecoder("0123abcd", b"\x1e0123abcd", lambda *words: found.append(words))
    assert lines.feed(told.encode()) + lines.finish() == b""
    assert found == [("starts-00001.jsonl", b"{}"), ("ranks.json", b"[1, 2]")]


def test_where_nobody_listens_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(MARK_VARIABLE, raising=False)
    LiveLines(1).tell("a", "b")
    assert capfd.readouterr().out == ""


def test_all_ranks_together_tell_no_more_than_a_log_keeps(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(MARK_VARIABLE, "0123abcd")
    lines = LiveLines(4)
    for _ in range(400):
        lines.tell("a", "x" * 1000)
    told = capfd.readouterr().out
    assert _BUDGET / 4 - 1100 < len(told) <= _BUDGET / 4


def test_a_line_that_no_pipe_takes_in_one_piece_is_not_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(MARK_VARIABLE, "0123abcd")
    LiveLines(1).tell("a", "x" * 4080)
    assert capfd.readouterr().out == ""
