from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.cli.main import main
from hybrid_parsl.project import Project

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


def test_a_folder_with_files_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").touch()
    assert exit_code("init", str(tmp_path)) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
