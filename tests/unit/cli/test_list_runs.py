"""The list of runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hybrid_parsl.result_view import type_name
from hybrid_parsl.results import Diagonalization, SearchResult

if TYPE_CHECKING:
    from pathlib import Path

FOUND = {
    "parameters": [0.5],
    "method": "draw",
    "best_start": 0,
    "energies": [],
    "trace": [],
    "n_evaluations": 1,
    "execution": {"duration_s": 0.5, "n_ranks": 1, "hosts": ["here"]},
}


def make(runs: Path, name: str, *energies: float, **run: Any) -> Path:
    folder = runs / name
    folder.mkdir(parents=True)
    (folder / "experiment.toml").touch()
    tasks = [
        {"type": type_name(kind), "result": {**FOUND, "energy": energy}}
        for kind, energy in zip((SearchResult, Diagonalization), energies, strict=False)
    ]
    tasks.append({"type": "lab:Measured", "result": {"energy": -99.0}})
    document = {
        "run": {"id": name, "status": "completed", "site": "local", **run},
        "experiment": {"workflow": {"name": "pipeline"}},
        "versions": {},
        "stages": [],
        "tasks": {f"task-{k}": {"status": "completed", **task} for k, task in enumerate(tasks)},
    }
    (folder / "results.json").write_text(json.dumps(document))
    return folder


def test_runs_with_state_energy_and_age(command: Any, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    begun = (datetime.now(UTC) - timedelta(hours=3, minutes=5)).isoformat()
    make(runs, "20260101T000000Z-a-1", -1.5, -2.5, started=begun, duration_s=3.5)
    make(runs, "20260102T000000Z-b-2", status="running")
    make(runs, "20260103T000000Z-c-3", -1.0, status="failed")
    damaged = make(runs, "20260104T000000Z-d-4")
    (damaged / "results.json").write_text("{")
    listed = json.loads(command("list", "--runs-dir", str(runs), "--json"))
    assert [each["state"] for each in listed] == ["completed", "left", "failed", "unreadable"]
    assert [each["best_energy"] for each in listed] == [-2.5, None, -1.0, None]
    assert listed[0]["duration_s"] == 3.5
    assert "results.json" in listed[3]["error"]
    first = command("list", "--runs-dir", str(runs)).splitlines()[1]
    assert first.split() == [
        *("20260101T000000Z-a-1", "completed", "-2.5", "pipeline", "local", "3", "h")
    ]
    (only,) = json.loads(command("list", "--runs-dir", str(runs), "--json", "--last", "1"))
    assert only["run"] == "20260104T000000Z-d-4"


def test_a_folder_without_runs(command: Any, tmp_path: Path) -> None:
    assert command("list", "--runs-dir", str(tmp_path)).startswith("there is no run of yours in ")
    assert json.loads(command("list", "--runs-dir", str(tmp_path / "none"), "--json")) == []
