from __future__ import annotations

import sys
from pathlib import Path

import pytest

import hybrid_parsl
from hybrid_parsl import project
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.project import PROJECT_VARIABLE, Project, broken_file, find_project, load_file

CHECKOUT = Path(hybrid_parsl.__file__).parent.parent


def make(folder: Path) -> Project:
    for name in ("apps", "site_configs", "experiments"):
        (folder / name).mkdir(parents=True)
    return Project(folder)


@pytest.fixture
def mine(tmp_path: Path) -> Project:
    return make(tmp_path / "mine")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the caller's project nor modules of another test are seen."""
    monkeypatch.delenv(PROJECT_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in [name for name in sys.modules if name.partition(".")[0] == "apps"]:
        monkeypatch.delitem(sys.modules, name)


# ---- which project


def test_the_order_in_which_a_project_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, variable, current, template = (make(tmp_path / name).folder for name in "abcd")
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setattr(project, "_TEMPLATE", template)
    monkeypatch.setenv(PROJECT_VARIABLE, str(variable))
    monkeypatch.chdir(current)
    assert find_project(named).folder == named
    assert find_project().folder == variable
    monkeypatch.setenv(PROJECT_VARIABLE, "")
    assert find_project().folder == current
    monkeypatch.chdir(empty)
    assert find_project().folder == template
    monkeypatch.setattr(project, "_TEMPLATE", empty)
    assert find_project().folder == CHECKOUT


def test_a_folder_with_only_half_a_project_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "site_configs").touch()
    monkeypatch.chdir(tmp_path)
    assert find_project().folder != tmp_path
    with pytest.raises(ConfigurationError) as caught:
        find_project(tmp_path)
    assert (caught.value.source, caught.value.found) == ("--project", str(tmp_path))
    assert "site_configs/" in str(caught.value.valid)


@pytest.mark.parametrize("name", ["absent", "x" * 300, "x/" * 3000])
def test_a_named_folder_that_is_no_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(PROJECT_VARIABLE, str(tmp_path / name))
    with pytest.raises(ConfigurationError, match="holds no project") as caught:
        find_project()
    assert caught.value.source == f"${PROJECT_VARIABLE}"
    with pytest.raises(ConfigurationError, match="--project"):
        find_project(tmp_path / name)


def test_a_relative_project_is_made_absolute(
    mine: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine.folder.parent)
    assert find_project(Path("mine")).folder == mine.folder


# ---- what is in it


def test_the_experiments_and_sites_of_a_project(mine: Project) -> None:
    for name in ("b.toml", "a.toml", "notes.txt"):
        (mine.folder / "experiments" / name).touch()
    for name in ("slurm.py", "_shared.py", "k8s.py", "README.md"):
        (mine.folder / "site_configs" / name).touch()
    assert list(mine.experiments()) == ["a", "b"]
    assert list(mine.sites()) == ["k8s", "slurm"]
    assert mine.sites()["k8s"] == mine.folder / "site_configs" / "k8s.py"


def test_a_project_without_experiments(tmp_path: Path) -> None:
    assert Project(tmp_path).experiments() == {}
    assert Project(tmp_path).sites() == {}


def test_an_experiment_by_path_before_one_by_name(
    mine: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside = mine.folder / "experiments" / "bell.toml"
    inside.touch()
    assert mine.experiment_path("bell") == inside
    assert mine.experiment_path("experiments/bell.toml") == inside
    assert mine.experiment_path(str(inside)) == inside
    (tmp_path / "bell").touch()
    assert mine.experiment_path("bell") == tmp_path / "bell"
    (tmp_path / "bell").unlink()
    (tmp_path / "bell").mkdir()
    assert mine.experiment_path("bell") == inside


@pytest.mark.parametrize("text", ["maxcutt", "", "no/such.toml", "x" * 300, "a\0b", "/"])
def test_an_experiment_that_is_not_there(mine: Project, text: str) -> None:
    (mine.folder / "experiments" / "maxcut.toml").touch()
    with pytest.raises(ConfigurationError) as caught:
        mine.experiment_path(text)
    assert caught.value.found == text
    assert "one of maxcut" in str(caught.value.valid)
    assert caught.value.suggestion == ("maxcut" if text == "maxcutt" else None)


# ---- its workflows


def write_apps(mine: Project, **files: str) -> None:
    for name, text in files.items():
        (mine.folder / "apps" / f"{name}.py").write_text(text)


def test_workflows_are_those_of_the_project_and_read_anew(mine: Project) -> None:
    write_apps(mine, workflows="from apps.part import VALUE\n", part="VALUE = 1\n")
    assert mine.workflows().VALUE == 1
    write_apps(mine, part="VALUE = 22\n")
    assert mine.workflows().VALUE == 22


def test_two_projects_do_not_mix(mine: Project, tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    write_apps(mine, workflows="from apps.part import VALUE\n", part="VALUE = 'mine'\n")
    write_apps(other, workflows="from apps.part import VALUE\n")
    assert mine.workflows().VALUE == "mine"
    with pytest.raises(ConfigurationError, match=r"apps\.part"):
        other.workflows()


def test_a_project_without_workflows(mine: Project) -> None:
    with pytest.raises(ConfigurationError, match="no workflows") as caught:
        mine.workflows()
    assert caught.value.source == str(mine.folder / "apps" / "workflows.py")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("A = 1\nB = A / 0\n", 2, "ZeroDivisionError"),
        ("A = 1\n\ndef f(:\n", 3, "SyntaxError"),
        ("import no_such_module_at_all\n", 1, "ModuleNotFoundError"),
        ("\nimport json\njson.loads('{')\n", 3, "JSONDecodeError"),
        ("\neval('1 +')\n", 2, "SyntaxError"),
    ],
)
def test_a_broken_app_is_told_with_file_and_line(
    mine: Project, text: str, line: int, message: str
) -> None:
    write_apps(mine, workflows="\nimport apps.part\n", part=text)
    with pytest.raises(ConfigurationError) as caught:
        mine.workflows()
    assert caught.value.source == f"{mine.folder / 'apps' / 'part.py'}, line {line}"
    assert caught.value.message.startswith(message)
    assert caught.value.__cause__ is not None


# ---- any Python file


def test_a_file_is_executed_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "site.py"
    path.write_text("VALUE = []\n")
    first = load_file(path, "hybrid_parsl_test_site")
    assert sys.modules["hybrid_parsl_test_site"] is first
    path.write_text("VALUE = [12]\n")
    assert load_file(path, "hybrid_parsl_test_site").VALUE == [12]


def test_a_file_finds_itself_while_it_is_executed(tmp_path: Path) -> None:
    path = tmp_path / "site.py"
    path.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass A:\n    x: int = 3\n"
    )
    assert load_file(path, "hybrid_parsl_test_dataclass").A().x == 3


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"x = 1\nraise KeyError('k')\n", ", line 2"),
        (b"\n\n\nx = = 1\n", ", line 4"),
        (b"\xff\xfe\n", ", line 1"),
        (b"x = 1\0\n", ""),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path: Path, content: bytes, where: str) -> None:
    path = tmp_path / "site.py"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_file(path, "hybrid_parsl_test_broken")
    assert str(caught.value.source).startswith(str(path))
    if where:
        assert caught.value.source == f"{path}{where}"


def test_what_is_no_python_file(tmp_path: Path) -> None:
    for name in ("site.txt", "site"):
        (tmp_path / name).write_text("x = 1\n")
        with pytest.raises(ConfigurationError, match="no Python file"):
            load_file(tmp_path / name, "hybrid_parsl_test_text")
    with pytest.raises(ConfigurationError, match="FileNotFoundError"):
        load_file(tmp_path / "absent.py", "hybrid_parsl_test_absent")


def test_the_last_line_in_the_users_own_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "site.py"
    path.write_text("import json\ndef inner():\n    json.loads('{')\ndef outer():\n    inner()\n")
    module = load_file(path, "hybrid_parsl_test_inner")
    with pytest.raises(ValueError, match="Expecting") as caught:
        module.outer()
    fault = broken_file(path, caught.value)
    assert fault.source == f"{path}, line 3"
    assert broken_file(tmp_path / "other.py", caught.value).source == str(tmp_path / "other.py")
