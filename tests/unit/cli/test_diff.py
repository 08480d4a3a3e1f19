"""Two runs side by side on the terminal."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def test_two_runs(command: Any, ended_run: Path, document: dict[str, Any]) -> None:
    other = ended_run.with_name("20260103T000000Z-bell-bbbbbb")
    shutil.copytree(ended_run, other)
    document["experiment"] = {"search": {"starts": 77}, "problem": {"terms": "x" * 99}}
    (other / "results.json").write_text(json.dumps(document))
    text = command("diff", "aaaaaa", "bbbbbb")
    assert "first   20260102T000000Z-bell-aaaaaa" in text
    assert "search.starts" in text
    assert "-> 77" in text
    assert "problem.terms  (none) -> " in text
    assert "versions: no difference" in text
    document["experiment"]["problem"]["terms"] += "y"
    (ended_run / "results.json").write_text(json.dumps(document))
    assert "problem.terms  (long values that differ)" in command("diff", "aaaaaa", "bbbbbb")
    found = json.loads(command("diff", "aaaaaa", "latest", "--json"))
    assert found["runs"] == [ended_run.name, other.name]
    assert found["versions"] == []
    assert all(each["difference"] == 0 for each in found["energies"])
    assert found["code"] == []


def test_code_and_numbers_that_differ(command: Any, ended_run: Path) -> None:
    other = ended_run.with_name("20260103T000000Z-bell-bbbbbb")
    for folder, factor in ((ended_run, 2), (other, 3)):
        (folder / "code").mkdir(parents=True)
        (folder / "code" / "check.py").write_text(f"factor = {factor}")
        (folder / "experiment.toml").touch()
        tasks = {"check": {"status": "completed", "result": {"twice": -6.0 * factor}}}
        document = {"run": {"status": "completed"}, "tasks": tasks}
        (folder / "results.json").write_text(json.dumps(document))
    text = command("diff", "aaaaaa", "bbbbbb")
    assert "\ncode:\n  check.py  " in text
    assert "\nother results:\n  check.twice  -12.0 -> -18.0\n" in text


def study(shift: float, layers: range) -> dict[str, Any]:
    """Return a study whose energies of an even number of layers are shifted."""
    points = [
        {"name": str(n), "values": {"ansatz.layers": n}, "tasks": {"quantum": f"{n}.quantum"}}
        for n in layers
    ]
    shifts = {n: shift * (n % 2 == 0) for n in layers}
    results = {
        n: {"energy": shifts[n] - n, "standard_error": 0.1, "depth": n, "x": shifts[n]}
        for n in layers
    }
    tasks = {f"{n}.quantum": {"status": "completed", "result": results[n]} for n in layers}
    table = {"keys": ["ansatz.layers"], "points": points}
    return {"run": {"status": "completed"}, "study": table, "tasks": tasks}


def test_only_the_points_that_differ_are_listed(command: Any, ended_run: Path) -> None:
    other = ended_run.with_name("20260103T000000Z-bell-bbbbbb")
    other.mkdir()
    (other / "experiment.toml").touch()
    for folder, document in ((ended_run, study(0, range(20))), (other, study(9.0, range(2, 12)))):
        (folder / "results.json").write_text(json.dumps(document))
    text = command("diff", "aaaaaa", "bbbbbb")
    assert "points: 10 in both, 5 equal, 5 differ\n" in text
    assert "  5 have an energy that differs significantly, at 1%" in text
    listed = [line for line in text.splitlines() if line.startswith("  ansatz.layers = ")]
    assert len(listed) == 5
    assert listed[0].startswith("  ansatz.layers = 2: quantum: -2 -> 7, +9 (63.6 standard errors")
    assert listed[0].endswith("; quantum.x: 0 -> 9.0")
    assert "only in the first, 10: ansatz.layers = 0; ansatz.layers = 1;" in text
    assert "; and 5 more\n" in text
    assert "only in the second" not in text


def test_runs_without_a_common_task(command: Any, ended_run: Path) -> None:
    other = ended_run.with_name("20260103T000000Z-bell-bbbbbb")
    other.mkdir()
    (other / "experiment.toml").touch()
    for folder, layers in ((ended_run, range(2)), (other, range(2, 4))):
        (folder / "results.json").write_text(json.dumps(study(0, layers)))
    text = command("diff", "aaaaaa", "bbbbbb")
    assert "\nresults: no task in both\n" in text
    assert "\nonly in the second, 2: ansatz.layers = 2; ansatz.layers = 3\n" in text
