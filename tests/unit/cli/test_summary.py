from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from hybrid_parsl.cli.summary import print_summary, summary_rows

if TYPE_CHECKING:
    from pathlib import Path


def test_the_main_figures(document: dict[str, Any]) -> None:
    assert summary_rows(document) == [
        ("best energy", "-1.2345679"),
        ("sampled", "-1.2 ± 0.012"),
        ("ratio to optimum", "0.9877"),
        ("most frequent", "0110  (12.5% of the shots, energy -1)"),
        ("time", "12.3 s on site local, 2 ranks"),
        ("folder", "/runs/20260102T000000Z-bell-aaaaaa"),
    ]


def test_starts_that_did_not_move_are_reported(document: dict[str, Any]) -> None:
    document["search"] |= {"n_unmoved": 2, "energies": [-1.0, 0.0, -1.2]}
    row = ("unmoved starts", "2 of 3 ended where they began: no step was better")
    assert summary_rows(document)[1] == row


def test_what_is_not_known_is_left_out(document: dict[str, Any]) -> None:
    document["analysis"] |= {"ratio": None, "top": []}
    names = [name for name, _ in summary_rows(document)]
    assert names == ["best energy", "sampled", "time", "folder"]
    del document["analysis"]
    assert [name for name, _ in summary_rows(document)] == ["best energy", "time", "folder"]
    assert summary_rows({}) == [("folder", "")]


def test_the_time_is_that_of_the_last_driver(document: dict[str, Any]) -> None:
    document["run"]["resumed"] = ["2026-01-02T00:01:00.000Z"]
    document["search"]["execution"]["n_ranks"] = 1
    told = "12.3 s on site local, 1 rank, all drivers together"
    assert ("time", told) in summary_rows(document)


def test_ranks_of_a_reused_search_are_left_out(document: dict[str, Any]) -> None:
    document["tasks"] = {"search": {"status": "completed", "reused_from": "0-bell"}}
    assert ("time", "12.3 s on site local") in summary_rows(document)


def test_an_error_is_told(document: dict[str, Any]) -> None:
    document["error"] = {"type": "ResultError", "message": "lost"}
    assert ("error", "ResultError: lost") in summary_rows(document)


@pytest.mark.parametrize("stages", [[], [{"name": "search", "status": "failed"}]])
def test_a_run_that_failed_is_told_first(document: dict[str, Any], stages: list[Any]) -> None:
    document["run"]["status"] = "failed"
    document["stages"] = [{"name": "other", "status": "completed"}, *stages]
    where = " in the search stage" if stages else ""
    assert summary_rows(document)[0] == ("status", f"failed{where}")


def test_the_lines_of_an_error_stand_below_each_other(
    document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    document["error"] = {"type": "RankFailedError", "message": "rank 1\n  log: x"}
    print_summary(document)
    assert f"error{' ' * 13}RankFailedError: rank 1\n{' ' * 20}log: x\n" in capsys.readouterr().out


def test_tasks_of_other_workflows_have_the_lines_of_their_types(document: dict[str, Any]) -> None:
    of_sample = {"type": "hybrid_parsl.results:Sample", "result": document.pop("analysis")}
    lines = [["gap", "0.5"], ["levels", "2"]]
    document["tasks"] = {
        "search": {"status": "completed"},
        "sample": {"status": "completed", **of_sample},
        "spectrum": {"status": "completed", "result": {}, "view": {"summary": lines}},
        "quiet": {"status": "completed", "result": {"x": 1}, "view": {"summary": []}},
        "other": {"status": "completed", "result": {"x": 0.125, "y": "two"}},
        "last": {"status": "failed"},
    }
    assert summary_rows(document)[1:-2] == [
        ("sample", "sampled -1.2 ± 0.012"),
        ("spectrum", "gap 0.5\nlevels 2"),
        ("quiet", "completed"),
        ("other", "x 0.125, y two"),
        ("last", "failed"),
    ]


@pytest.fixture
def study(tmp_path: Path) -> dict[str, Any]:
    """Return a study of three points, of which one has not begun."""
    layers = [1, 2, 3]
    points = [
        {"name": str(n), "values": {"ansatz.layers": n}, "tasks": {"search": f"{n}.search"}}
        for n in layers
    ]
    points[2]["tasks"] = {"search": "3.search", "other": "1.search"}
    tasks = {
        f"{n}.search": {"status": "completed", "result": {"energy": -n / 7}} for n in layers[:2]
    }
    run = {"status": "left", "site": "local", "folder": str(tmp_path)}
    return {"run": run, "tasks": tasks, "study": {"keys": ["ansatz.layers"], "points": points}}


def test_a_study_names_its_page_if_there_is_one(study: dict[str, Any], tmp_path: Path) -> None:
    assert summary_rows(study) == [
        ("status", "without a driver"),
        ("points", "3: 2 completed, 1 not started"),
        ("tasks", "2 (1 shared)"),
        ("folder", str(tmp_path)),
    ]
    (tmp_path / "study.html").touch()
    assert summary_rows(study)[-1] == ("study", str(tmp_path / "study.html"))


def test_the_points_of_a_study_come_first(
    study: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    print_summary(study)
    assert capsys.readouterr().out.splitlines()[:6] == [
        "point  ansatz.layers  status       search.energy",
        "1      1              completed    -0.1428571",
        "2      2              completed    -0.2857143",
        "3      3              not started",
        "",
        "status  without a driver",
    ]


def test_a_study_says_how_many_results_are_reused(study: dict[str, Any]) -> None:
    study["tasks"]["1.search"]["reused_from"] = "r-0"
    assert ("tasks", "2 (1 shared, 1 reused)") in summary_rows(study)


def test_text_in_brackets_is_no_markup(document: dict[str, Any]) -> None:
    document["run"]["folder"] = "/tmp/[red]runs[/red]"
    file = io.StringIO()
    print_summary(document, Console(file=file, width=100))
    assert "/tmp/[red]runs[/red]" in file.getvalue()
    assert "ratio to optimum" in file.getvalue()


def test_the_time_on_a_qpu_stands_beside_its_estimate(document: dict[str, Any]) -> None:
    document["quantum"] = {"job_id": "j1", "usage_s": 1.234, "estimated_usage_s": 3.1}
    rows = dict(summary_rows(document))
    assert rows["QPU time"] == "1.23 s used, 3.10 s estimated  (job j1)"
    document["quantum"] = {"job_id": None, "usage_s": None}
    assert "QPU time" not in dict(summary_rows(document))
