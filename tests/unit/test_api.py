from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from services import require_module

import hybrid_parsl
from hybrid_parsl import RunResult, StudyResult, load_run, run, study
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.results import Execution, SearchResult

if TYPE_CHECKING:
    from pathlib import Path

FOUND = SearchResult(
    parameters=[0.5],
    energy=-2.0,
    method="draw",
    best_start=0,
    energies=[-2.0],
    trace=[-2.0],
    n_evaluations=1,
    execution=Execution(duration_s=1.0, n_ranks=1, hosts=["here"]),
)


def written(runs: Path, name: str, **tables: Any) -> Path:
    folder = runs / name
    folder.mkdir(parents=True, mode=0o700)
    document = {
        "run": {"id": name, "name": "x", "status": "completed", "folder": str(folder)},
        "experiment": {"name": "x", "problem": {"kind": "bell"}},
        "stages": [],
        "tasks": {
            "search": {
                "status": "completed",
                "type": "hybrid_parsl.results:SearchResult",
                "result": json.loads(FOUND.model_dump_json()),
            },
            "own": {"status": "completed", "type": "mine:Thing", "result": {"a": 1}},
            "broken": {"status": "failed", "error": {"type": "E", "message": "no"}},
        },
        **tables,
    }
    (folder / "results.json").write_text(json.dumps(document))
    (folder / "experiment.toml").write_text('name = "x"\n[problem]\nkind = "bell"\n')
    return folder


def test_results_have_their_types(tmp_path: Path) -> None:
    folder = written(tmp_path, "20260101T000000Z-x-aaaaaa")
    found = load_run(folder)
    assert type(found) is RunResult
    assert found.search == FOUND
    assert found.results["own"] == {"a": 1}
    assert "broken" not in found.results
    assert found.status == "completed"
    assert found.experiment.problem.kind == "bell"
    with pytest.raises(
        KeyError, match=r"no task quantum has completed in .*; results: search, own"
    ):
        _ = found.quantum
    assert found.report.read_text().startswith("<!doctype html>")
    assert repr(found) == "<RunResult 20260101T000000Z-x-aaaaaa: completed>"


def test_a_notebook_shows_text_as_text(tmp_path: Path) -> None:
    run_table = {"id": "x", "name": "x", "status": "failed", "folder": "<script>"}
    folder = written(tmp_path, "20260101T000000Z-x-aaaaaa", run=run_table)
    page = load_run(folder)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_study_has_a_table(tmp_path: Path) -> None:
    require_module("hybrid_parsl.api", "pandas", "hybrid-parsl[study]")
    points = [
        {"name": str(number), "values": {"a.b": number}, "tasks": {"search": "search"}}
        for number in range(2)
    ]
    written(tmp_path, "20260101T000000Z-x-bbbbbb", study={"keys": ["a.b"], "points": points})
    found = load_run("latest", tmp_path)
    assert isinstance(found, StudyResult)
    frame = found.to_pandas()
    assert frame["search.energy"].tolist() == [-2.0, -2.0]
    assert frame["a.b"].tolist() == [0, 1]
    assert found.report.name == "study.html"


def test_the_results_of_a_point(tmp_path: Path) -> None:
    points = [
        {"name": f"{n:02d}", "values": {"a.b": n % 6, "c.d": n // 6}, "tasks": {"t": f"{n:02d}.t"}}
        for n in range(12)
    ]
    points[4]["tasks"] = {"t": "03.t", "other": "04.other"}
    tasks = {
        f"{n:02d}.t": {"status": "completed", "type": "x:Y", "result": {"x": n}} for n in range(12)
    }
    tasks["04.other"] = {"status": "failed"}
    table = {"keys": ["a.b", "c.d"], "points": points}
    found = load_run(written(tmp_path, "20260101T000000Z-x-bbbbbb", study=table, tasks=tasks))
    assert isinstance(found, StudyResult)
    assert found.point(3) == {"t": {"x": 3}}
    assert found.point(4) == {"t": {"x": 3}}
    assert found.point({"a.b": np.int64(1), "c.d": 1}) == {"t": {"x": 7}}
    with pytest.raises(ConfigurationError, match="names 2 points"):
        found.point({"a.b": 1})
    assert found.point("03") == found.point(np.int64(3)) == {"t": {"x": 3}}
    for which in (12, -1, "x", {"a.b": 9}, {"e.f": 1}):
        with pytest.raises(ConfigurationError, match=r"names no point\n.*\n  valid: 0 to 11"):
            found.point(which)


def test_a_notebook_shows_points_and_a_figure_of_a_study(tmp_path: Path) -> None:
    points = [
        {"name": str(number), "values": {"a.b": f"<{number}>"}, "tasks": {"t": str(number)}}
        for number in range(22)
    ]
    tasks = {
        str(number): {"status": "completed", "result": {"energy": number}} for number in range(22)
    }
    study_table = {"keys": ["a.b"], "points": points}
    folder = written(tmp_path, "20260101T000000Z-x-bbbbbb", study=study_table, tasks=tasks)
    page = load_run(folder)._repr_html_()
    assert "<th>t.energy</th>" in page
    assert "<td>&lt;3&gt;</td><td>3</td>" in page
    assert page.count("<tr><td>") == 20
    assert "and 2 more: study.csv" in page
    assert '<img alt="t.energy" src="data:image/svg+xml;base64,' in page
    tasks["1"]["result"] = tasks["0"]["result"]
    alike = {"keys": ["a.b"], "points": points[:2]}
    folder = written(tmp_path, "20260101T000000Z-x-cccccc", study=alike, tasks=tasks)
    assert "<img" not in load_run(folder)._repr_html_()


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ("nonsense", "no such experiment"),
        ({"name": "x"}, "missing"),
        ({"name": "x", "problem": {"kind": "bell"}, "y": 1}, "unknown key"),
    ],
)
def test_a_wrong_experiment_leaves_no_folder(tmp_path: Path, experiment: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        run(experiment, runs=tmp_path / "runs", progress=False)
    assert not (tmp_path / "runs").exists()


def test_a_wrong_sweep(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown key"):
        study("bell", {"ansatz.layer": [1, 2]}, runs=tmp_path, progress=False)
    with pytest.raises(ConfigurationError, match="has no keys"):
        study("bell", {}, runs=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("experiment", [3, None, b"x", ["bell"]])
def test_what_is_no_experiment(tmp_path: Path, experiment: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no experiment"):
        run(experiment, runs=tmp_path, progress=False)


@pytest.mark.parametrize("sweep", [None, [("quantum.shots", [1])], 3])
def test_what_is_no_sweep(tmp_path: Path, sweep: Any) -> None:
    with pytest.raises(ConfigurationError, match="should be a table"):
        study("bell", sweep, runs=tmp_path, progress=False)


def test_values_that_are_no_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no list of values"):
        study("bell", {"quantum.shots": 5}, runs=tmp_path, progress=False)


def test_a_policy_has_to_be_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no policy"):
        run("bell", runs=tmp_path, on_failure="x", progress=False)  # type: ignore[arg-type]


def test_values_of_arrays_and_ranges_and_of_the_experiment_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}

    def planned(content: dict[str, Any], *_: Any) -> None:
        asked.update(content)
        raise ConfigurationError("enough")

    monkeypatch.setattr("hybrid_parsl.run_plan.plan_run", planned)
    content = {"name": "x", "problem": {"kind": "bell"}, "sweep": {"a.b": [1], "c.d": [2]}}
    values = {"a.b": np.array([5, 6]), "e.f": range(2), "g.h": (np.int64(1), 2.5)}
    with pytest.raises(ConfigurationError, match="enough"):
        study(content, values, progress=False)
    assert asked["sweep"] == {"a.b": [5, 6], "c.d": [2], "e.f": [0, 1], "g.h": [1, 2.5]}


def test_no_such_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        load_run("latest", tmp_path)


def test_public_names_are_imported_when_they_are_used() -> None:
    code = "import hybrid_parsl, sys; print(len([m for m in sys.modules if 'pydantic' in m]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
    assert set(hybrid_parsl.__all__) <= set(dir(hybrid_parsl))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = hybrid_parsl.nothing
