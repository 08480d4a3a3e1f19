from __future__ import annotations

from pathlib import Path

from hybrid_parsl.crate.code import unknown_code, write_code
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.own_code import OwnCode, SourceFile
from hybrid_parsl.project import Project
from hybrid_parsl.records.run_directory import RunDirectory

ROOT = Path(__file__).parents[3]


def test_a_run_keeps_its_workflow_and_the_modules_of_its_experiment(tmp_path: Path) -> None:
    own = OwnCode((SourceFile("/elsewhere", "my_problem.py", b"class MyProblem: ...\n"),))
    experiment = parse_experiment({"name": "x", "problem": {"kind": "bell"}}).with_own_code(own)
    directory = RunDirectory(tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "code/stale.py").write_text("")
    write_code(directory, Project(ROOT), [experiment])
    found = {
        path.relative_to(tmp_path / "code").as_posix() for path in (tmp_path / "code").rglob("*.py")
    }
    assert {"apps/workflows.py", "apps/search.py", "my_problem.py"} <= found
    assert "stale.py" not in found


def test_code_that_a_project_has_is_known(tmp_path: Path) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps/a.py").write_bytes(b"1")
    code = {"apps/a.py": b"1", "apps/b.py": b"2"}
    assert unknown_code(code, [tmp_path / "nowhere", tmp_path]) == ["apps/b.py"]
    assert unknown_code({"apps/a.py": b"other"}, [tmp_path]) == ["apps/a.py"]
