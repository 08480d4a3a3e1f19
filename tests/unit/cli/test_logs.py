from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.cli import logs
from hybrid_parsl.records.run_directory import RESULTS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "20260102T000000Z-bell-aaaaaa"
    (folder / "tasks" / "search").mkdir(parents=True)
    (folder / "experiment.toml").touch()
    document = {"run": {"status": "completed"}, "experiment": {"search": {}}, "stages": []}
    (folder / RESULTS).write_text(json.dumps(document))
    return folder


def test_the_streams_of_a_task_are_told_with_their_names(command: Any, run: Path) -> None:
    (run / "tasks" / "search" / "stdout.log").write_text("out\n")
    (run / "tasks" / "search" / "stderr.log").write_text("err\n")
    told = "==> search/stderr.log <==\nerr\n\n==> search/stdout.log <==\nout\n"
    assert command("logs") == told
    assert command("logs", "--follow") == told
    assert command.err == ""


def test_who_follows_a_run_without_a_driver_hears_how_to_go_on(command: Any, run: Path) -> None:
    document = json.loads((run / RESULTS).read_text())
    (run / RESULTS).write_text(json.dumps({**document, "run": {"status": "running"}}))
    assert command("logs", "--follow") == ""
    assert command.err == (
        "nothing has been printed\n"
        f"its driver has ended; resume with: hybrid-parsl resume {run.name}\n"
    )
    command("logs")
    assert command.err == "nothing has been printed\n"


def test_a_character_that_is_written_in_two_parts_is_one(
    command: Any, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run / "tasks" / "search" / "stdout.log"
    path.write_bytes("é".encode()[:1])
    states = iter([True, False])
    monkeypatch.setattr(logs, "_is_running", lambda _: next(states))
    monkeypatch.setattr(logs.time, "sleep", lambda _: path.write_text("éa\n"))
    assert command("logs", "--follow") == "==> search/stdout.log <==\néa\n"
