from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hybrid_parsl.cli.status import _in_words
from hybrid_parsl.optimize.journal import Journal
from hybrid_parsl.optimize.start import Start
from hybrid_parsl.run_control import RunStatus
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


def test_the_best_energy_of_a_study_is_that_of_all_its_points(
    command: Any, ended_run: Path, document: dict[str, Any]
) -> None:
    document["run"] |= {"started": "2026-01-02T00:00:00Z"}
    document |= {"experiment": {"search": {"starts": 8}}, "stages": []}
    ended = {"status": "completed", "total": 8, "type": "hybrid_parsl.results:SearchResult"}
    document["tasks"] = {
        f"{n}.search": {**ended, "result": {"energy": -float(n)}} for n in range(3)
    }
    document["tasks"]["3.search"] = {"status": "running", "total": 8}
    (ended_run / "results.json").write_text(json.dumps(document))
    (listed,) = json.loads(command("list", "--json"))
    found = json.loads(command("status", "--json"))
    assert found["best_energy"] == listed["best_energy"] == -2.0
    assert found["starts"] == [24, 32]
    (ended_run / "tasks" / "3.search").mkdir(parents=True)
    Journal(ended_run / "tasks" / "3.search", "key").append(0, [Start(0, -7.5, [], [], 1)])
    found = json.loads(command("status", "--json"))
    assert (found["best_energy"], found["starts"]) == (-7.5, [25, 32])


def status_of(states: list[str]) -> RunStatus:
    stages: list[dict[str, Any]] = [
        {"name": f"{number:02d}.search", "status": state, "duration_s": None, "progress": None}
        for number, state in enumerate(states)
    ]
    return RunStatus("r-1", "running", None, "local", stages, (0, 1), None, [], None)


def test_few_tasks_are_listed(tmp_path: Path) -> None:
    text = _in_words(status_of(["completed", "running", "waiting"]), tmp_path)
    assert text.count(".search") == 3
    assert "other tasks" not in text


def test_of_many_tasks_those_that_run_or_failed_are_listed(tmp_path: Path) -> None:
    states = ["completed"] * 30 + ["running", "failed"] + ["waiting"] * 8
    text = _in_words(status_of(states), tmp_path)
    assert "other tasks: 30 completed, 8 waiting" in text
    assert text.count(".search") == 2


def test_no_more_than_a_screen_is_listed(tmp_path: Path) -> None:
    text = _in_words(status_of(["running"] * 100), tmp_path)
    assert "other tasks: 70 running" in text
    assert text.count(".search") == 30
