from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from experiment_fuzzer import damaged_table

from hybrid_parsl.cli.run import load_experiment
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.project import Project, find_project

BELL = 'name = "x"\n[problem]\nkind = "bell"\n[search]\nmethod = "draw"\n'


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["belll"], "no such experiment\n  found: belll\n"),
        (["belll"], "did you mean 'bell'?"),
        (["bell", "--site", "locl"], "--site: no such site\n  found: locl\n"),
        (["bell", "--site", "locl"], "did you mean 'local'?"),
        (["bell", "--site", "./absent.py"], "--site: no such file\n  found: ./absent.py\n"),
        (["bell", "--set", "search.starts"], "--set: an override is KEY=VALUE\n"),
        (["bell", "--set", "search.starts=0"], "--set: search.starts: should be "),
        (["bell", "--set", "search.start=3"], "did you mean 'starts'?"),
        (["bell", "--set", "search.method=multistart"], "--set: search.method: needs an exact"),
        (["bell", "--set", "problem.kind=bel"], "--set: problem.kind: unknown kind of problem"),
        (["bell", "--set", "problem.extra=1"], "--set: problem.extra: unknown key"),
        (["bell", "--set", "serach.starts=1"], "--set: serach: unknown key"),
        (["x" * 400], "no such experiment"),
        (["bell", "--runs-dir", "/proc/nowhere"], "--runs-dir: cannot make a folder"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    command: Any, arguments: list[str], text: str
) -> None:
    command("run", *arguments, code=2)
    assert text in command.err
    assert command.err.startswith("error: ")
    assert command.out == ""
    assert list(command.folder.iterdir()) == []


def test_a_fault_in_a_file_is_told_with_the_file(command: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BELL + "[quantum]\nshots = 'many'\n")
    command("run", "mine.toml", code=2)
    assert command.err.startswith(f"error: {path}: quantum.shots: should be a valid integer\n")
    path.write_text(BELL.replace("draw", "multistart"))
    command("run", "mine.toml", code=2)
    assert command.err.startswith(f"error: {path}: search.method: needs an exact gradient")


def test_a_broken_site_is_told_before_a_folder_is_made(command: Any, tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text("import nowhere_at_all\n")
    command("run", "bell", "--site", "./site.py", code=2)
    assert f"{tmp_path / 'site.py'}, line 1: ModuleNotFoundError" in command.err
    assert not (tmp_path / "runs").exists()


def test_an_experiment_is_looked_up_overridden_and_checked(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "mine.toml").write_text(BELL)
    asked = load_experiment("mine", ["search.starts=5", "name=y"], Project(tmp_path))
    assert (asked.name, asked.search.starts, asked.search.method) == ("y", 5, "draw")


@pytest.mark.parametrize("name", ["bell", "ising", "maxcut"])
def test_the_experiments_of_the_project_are_valid(name: str) -> None:
    asked = load_experiment(name, [], find_project(Path(__file__).parents[3]))
    assert asked.name == name
    text = tomli_w.dumps(asked.model_dump(mode="json", exclude_none=True))
    assert type(asked).model_validate(tomllib.loads(text)) == asked


def test_1000_damaged_experiments_are_valid_or_refused_before_they_run(tmp_path: Path) -> None:
    generator = random.Random("before they run")
    path = tmp_path / "damaged.toml"
    outcomes = []
    for _ in range(1000):
        table = damaged_table(generator)
        try:
            path.write_text(tomli_w.dumps(table))
        except (TypeError, ValueError):
            continue
        try:
            load_experiment(str(path), [], Project(tmp_path))
        except ConfigurationError as error:
            outcomes.append(error.source)
        else:
            outcomes.append("valid")
    assert set(outcomes) == {str(path), "valid"}
    assert outcomes.count("valid") > 40
