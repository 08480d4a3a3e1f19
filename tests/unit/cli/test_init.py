from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.cli.main import main
from hybrid_parsl.project import Project
from hybrid_parsl.workflow import workflows_in

if TYPE_CHECKING:
    from pathlib import Path


def exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code


def test_a_new_project_has_a_workflow_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    assert exit_code("init", str(folder)) == 0
    assert set(Project(folder).experiments()) >= {"bell", "depths", "maxcut"}
    assert set(Project(folder).sites()) >= {"local", "slurm", "pbs", "k8s"}
    assert exit_code("--project", str(folder), "workflows") == 0
    assert exit_code("--project", str(folder), "run", "depths", "--dry-run") == 0
    text = capsys.readouterr().out
    assert "    deepest: int = 3\n" in text
    assert "  compare <- sample-p1, sample-p2, sample-p3\n" in text


def test_every_experiment_of_a_new_project_runs_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    assert exit_code("init", str(folder)) == 0
    project = Project(folder)
    known = workflows_in(project.workflows())
    assert set(known) == {"closed_loop", "deepening", "depths", "pipeline", "sqd"}
    assert all(workflow.summary for workflow in known.values())
    for name in project.experiments():
        table = tomllib.loads(project.experiment_path(name).read_text())
        assert table.get("workflow", {}).get("name", "pipeline") in known, name
    capsys.readouterr()
    assert exit_code("--project", str(folder), "run", "deepening", "--dry-run") == 0
    assert "search-p1" in capsys.readouterr().out


def test_a_folder_with_files_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").touch()
    assert exit_code("init", str(tmp_path)) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
