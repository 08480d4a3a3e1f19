from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hybrid_parsl.optimize.journal import Journal
from hybrid_parsl.optimize.start import Start
from hybrid_parsl.tasks.folder import TaskFolder

if TYPE_CHECKING:
    from pathlib import Path


def test_how_far_each_task_is(command: Any, ended_run: Path, document: dict[str, Any]) -> None:
    states = {"search": "running", "scan": "running", "done": "completed", "mute": "running"}
    document["run"] |= {"status": "running", "started": "2026-01-02T00:00:00Z"}
    document["experiment"] = {"search": {"starts": 8}}
    document["stages"] = [{"name": name, "status": state} for name, state in states.items()]
    document["tasks"] = {name: {"status": state} for name, state in states.items()}
    document["tasks"]["search"]["total"] = 8
    (ended_run / "results.json").write_text(json.dumps(document))
    for name in states:
        (ended_run / "tasks" / name).mkdir(parents=True)
    Journal(ended_run / "tasks" / "search", "key").append(0, [Start(0, -1.5, [], [], 1)])
    for name in ("scan", "done"):
        TaskFolder(ended_run / "tasks" / name).progress.write_text("1 of 3 \x1b[2Jfields\n")
    assert command("status").splitlines()[1:] == [
        "  search    running, 1 of 8 starts, best energy -1.5",
        r"  scan      running, 1 of 3 \x1b[2Jfields",
        "  done      completed",
        "  mute      running",
    ]
    told = {
        each["name"]: each["progress"] for each in json.loads(command("status", "--json"))["stages"]
    }
    assert told["done"] is told["mute"] is None
