from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(ended_run: Path) -> Path:
    return ended_run


@pytest.mark.parametrize("name", ["latest", "bell", "runs/20260102T000000Z-bell-aaaaaa", None])
def test_a_run_by_name(command: Any, run: Path, name: str | None) -> None:  # noqa: ARG001
    text = command("show", *([name] if name else []))
    assert "0.9877" in text
    assert "20260102T000000Z-bell-aaaaaa" in text


def test_everything_as_json(command: Any, run: Path, document: dict[str, Any]) -> None:
    document["run"]["folder"] = str(run)  # where it is now
    assert json.loads(command("show", "--json")) == document
    elsewhere = command("show", "--json", "--runs-dir", str(run.parent))
    assert json.loads(elsewhere) == document


def test_a_run_whose_driver_was_killed(command: Any, run: Path, document: dict[str, Any]) -> None:
    document["run"]["status"] = "running"
    document["stages"] = [{"name": "quantum", "status": "running"}]
    (run / "results.json").write_text(json.dumps(document))
    first = command("show").splitlines()[0]
    assert first == "status            without a driver in the quantum stage"
    assert json.loads(command("show", "--json"))["run"]["status"] == "left"


def test_a_run_that_failed(command: Any, run: Path, document: dict[str, Any]) -> None:
    document["run"]["status"] = "failed"
    document["stages"] = [{"name": "search", "status": "failed"}]
    document["error"] = {"type": "RankFailedError", "message": "rank 1 was killed"}
    del document["search"], document["analysis"]
    (run / "results.json").write_text(json.dumps(document))
    lines = command("show").splitlines()
    assert lines[0] == "status  failed in the search stage"
    assert lines[1] == "error   RankFailedError: rank 1 was killed"


def test_a_run_that_is_not_there(command: Any, run: Path) -> None:
    command("show", "maxcut", code=2)
    assert command.err == f"error: no such run\n  found: maxcut\n  valid: latest, {run.name}\n"


@pytest.mark.parametrize("content", [None, "{"])
def test_results_that_cannot_be_read(command: Any, run: Path, content: str | None) -> None:
    results = run / "results.json"
    results.unlink()
    if content is not None:
        results.write_text(content)
    command("show", code=2)
    assert command.err.startswith(f"error: {results}: cannot be read: ")


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("verb", ["show", "report", "status", "resume"])
@pytest.mark.parametrize("text", ["[]", "{", '{"run": 3}', '{"run": {"status": "failed"}}'])
def test_what_is_no_result_of_a_run_is_told(command: Any, run: Path, verb: str, text: str) -> None:
    (run / "results.json").write_text(text)
    code = 0 if verb in ("show", "report") and "failed" in text else 2
    command(verb, code=code)
    assert "results.json" in command.err or code == 0
