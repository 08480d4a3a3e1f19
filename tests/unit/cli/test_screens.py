"""What commands print, compared with the files in screens/.

``HYBRID_PARSL_SCREENS=write`` writes them anew: read the difference before it is committed.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SCREENS = Path(__file__).parent / "screens"
SMALL = ("--set", "problem.nodes=4", "--set", "search.starts=2")
COMMANDS = {
    "help": ("--help",),
    "help-of-run": ("run", "--help"),
    "show": ("show", "latest"),
    "list": ("list",),
    "problems": ("problems",),
    "optimizers": ("optimizers",),
    "workflows": ("workflows",),
    "sites": ("sites",),
    "dry-run": ("run", "bell", "--dry-run"),
    "dry-run-of-a-study": ("run", "maxcut", *SMALL, "--sweep", "ansatz.layers=1,2", "--dry-run"),
}


def settled(text: str, folder: Path) -> str:
    """Return a screen without what differs between machines and moments."""
    for word, name in (
        (sys.executable, "PYTHON"),
        (str(folder), "FOLDER"),
        (str(ROOT), "ROOT"),
    ):
        text = text.replace(word, name)
    text = re.sub(r"\d+ (d|h|min|s)$", "AGE", text, flags=re.MULTILINE)
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


def check(name: str, found: str) -> None:
    path = SCREENS / f"{name}.txt"
    if os.environ.get("HYBRID_PARSL_SCREENS") == "write":
        path.write_text(found)
    assert found == path.read_text()


def test_the_screen_of_a_study(command: Any, ended_run: Path, tmp_path: Path) -> None:
    axes = {"ansatz.layers": range(1, 9), "problem.seed": range(3)}
    points, tasks = [], {}
    for number, values in enumerate(itertools.product(*axes.values())):
        name = f"{number:02d}.analysis"
        layers, seed = values
        result = {"ratio": 1 - 0.4 / layers - 0.01 * seed, "energy": -8.0 + 3 / layers + seed}
        tasks[name] = {"status": "completed", "duration_s": 0.5, "result": result}
        of_point = {"name": f"{number:02d}", "values": dict(zip(axes, values, strict=True))}
        points.append({**of_point, "tasks": {"analysis": name}})
    run = {"name": "depth", "status": "completed", "site": "local", "duration_s": 12.3}
    document = {"run": run, "study": {"keys": list(axes), "points": points}, "tasks": tasks}
    (ended_run / "results.json").write_text(json.dumps(document))
    (ended_run / "study.html").touch()
    check("show-of-a-study", settled(command("show", "latest"), tmp_path))


@pytest.mark.usefixtures("ended_run")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_screen(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("HYBRID_PARSL_PROJECT", str(ROOT))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for variable in [each for each in os.environ if each.startswith("HYBRID_PARSL_K8S")]:
        monkeypatch.delenv(variable)
    check(name, settled(command(*COMMANDS[name]), tmp_path))
