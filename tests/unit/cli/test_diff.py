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
