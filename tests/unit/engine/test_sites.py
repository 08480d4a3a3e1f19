from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from hybrid_parsl.engine import sites
from hybrid_parsl.engine.sites import (
    SiteRun,
    check_tables,
    load_recorded_site,
    load_site,
    site_names,
)
from hybrid_parsl.errors import BackendUnavailableError, ConfigurationError
from hybrid_parsl.project import Project

RUN = SiteRun(Path("/some/run"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "site_configs").mkdir()
    (tmp_path / "apps").mkdir()
    return Project(tmp_path)


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """The plug-ins that are installed; none to begin with."""
    points: list[EntryPoint] = []
    monkeypatch.setattr(
        sites, "entry_points", lambda group: points if group == "hybrid_parsl.sites" else []
    )
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return points


def write(project: Project, name: str, text: str) -> Path:
    path = project.folder / "site_configs" / f"{name}.py"
    path.write_text(text)
    return path


GOOD = """\"\"\"My cluster.

More words.
\"\"\"

VALUE = 1

def config(run):
    return (VALUE, run.directory)
"""


def test_a_site_by_name(project: Project) -> None:
    path = write(project, "mine", GOOD)
    site = load_site("mine", project)
    assert (site.name, site.source, site.summary) == ("mine", str(path), "My cluster.")
    assert site.config(RUN) == (1, Path("/some/run"))


def test_a_site_by_path_from_anywhere(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere.py").write_text(GOOD.replace("VALUE = 1", "VALUE = 2"))
    for text in ("elsewhere.py", "./elsewhere.py", str(tmp_path / "elsewhere.py")):
        site = load_site(text, project)
        assert (site.name, site.source) == ("elsewhere", str(tmp_path / "elsewhere.py"))
        assert site.config(RUN) == (2, Path("/some/run"))


def test_an_edit_counts_at_once(project: Project) -> None:
    write(project, "mine", GOOD)
    load_site("mine", project)
    write(project, "mine", GOOD.replace("VALUE = 1", "VALUE = 33"))
    assert load_site("mine", project).config(RUN) == (33, Path("/some/run"))


def test_a_site_of_a_plug_in(project: Project, plugins: list[EntryPoint]) -> None:
    plugins.append(EntryPoint("far", "os.path:basename", "hybrid_parsl.sites"))
    site = load_site("far", project)
    assert (site.name, site.source) == ("far", "os.path:basename")
    assert site.summary.startswith("Common operations on Posix pathnames")
    write(project, "far", GOOD)
    assert load_site("far", project).summary == "My cluster."
    assert site_names(project)["far"].endswith("far.py")


def test_the_names_of_all_sites_are_sorted(project: Project, plugins: list[EntryPoint]) -> None:
    write(project, "zeta", GOOD)
    write(project, "_shared", GOOD)
    path = write(project, "alpha", GOOD)
    plugins.append(EntryPoint("middle", "a.b:c", "hybrid_parsl.sites"))
    assert list(site_names(project)) == ["alpha", "middle", "zeta"]
    assert site_names(project)["alpha"] == str(path)
    assert site_names(project)["middle"] == "a.b:c"


def test_a_broken_plug_in(project: Project, plugins: list[EntryPoint]) -> None:
    plugins.append(EntryPoint("far", "no_such_module_at_all:config", "hybrid_parsl.sites"))
    with pytest.raises(ConfigurationError, match="ModuleNotFoundError") as caught:
        load_site("far", project)
    assert caught.value.source == "entry point no_such_module_at_all:config"


@pytest.mark.parametrize(
    ("text", "suggestion"), [("loca", "local"), ("slrum", "slurm"), ("x" * 400, None), ("", None)]
)
def test_no_such_site(project: Project, text: str, suggestion: str | None) -> None:
    for name in ("local", "slurm"):
        write(project, name, GOOD)
    with pytest.raises(ConfigurationError, match="no such site") as caught:
        load_site(text, project)
    assert (caught.value.source, caught.value.found) == ("--site", text)
    assert "local, slurm, or the path of" in str(caught.value.valid)
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize("text", ["absent.py", "/absent", "a/b", "x" * 400 + ".py", "/", "./"])
def test_no_such_file(project: Project, text: str) -> None:
    with pytest.raises(ConfigurationError, match="no such file") as caught:
        load_site(text, project)
    assert (caught.value.source, caught.value.found) == ("--site", text)


@pytest.mark.parametrize("text", ["", "config = 3\n", "def configure(run): ...\n"])
def test_a_file_without_config(project: Project, text: str) -> None:
    path = write(project, "mine", text)
    with pytest.raises(ConfigurationError, match=r"no function config\(run\)") as caught:
        load_site("mine", project)
    assert caught.value.source == str(path)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("x = 1\nx.y\n", 2, "AttributeError"),
        ("def config(run)\n", 1, "SyntaxError"),
        ("\nfrom nowhere_at_all import x\n", 2, "ModuleNotFoundError"),
    ],
)
def test_a_broken_file_is_told_with_its_line(
    project: Project, text: str, line: int, message: str
) -> None:
    path = write(project, "mine", text)
    with pytest.raises(ConfigurationError) as caught:
        load_site("mine", project)
    assert caught.value.source == f"{path}, line {line}"
    assert caught.value.message.startswith(message)


def test_a_function_that_raises_is_told_with_its_line(project: Project) -> None:
    path = write(project, "mine", "import json\n\ndef config(run):\n    return json.loads('{')\n")
    with pytest.raises(ConfigurationError, match="JSONDecodeError") as caught:
        load_site("mine", project).config(RUN)
    assert caught.value.source == f"{path}, line 4"


def test_an_error_of_ours_from_a_site_stands(project: Project) -> None:
    raises = "raise BackendUnavailableError('x', 'y')"
    imports = "from hybrid_parsl.errors import BackendUnavailableError"
    text = f"{imports}\n\ndef config(run):\n    {raises}\n"
    write(project, "mine", text)
    with pytest.raises(BackendUnavailableError):
        load_site("mine", project).config(RUN)


WITH_SETTINGS = """\"\"\"Mine.\"\"\"
from pydantic import Field
from hybrid_parsl.engine.site_settings import SiteSettings

class Settings(SiteSettings):
    account: str = Field(description="Who pays.")

def config(run, settings):
    return (run.directory, settings.account)
"""


def test_a_site_with_settings(project: Project) -> None:
    write(project, "mine", WITH_SETTINGS)
    site = load_site("mine", project, ["account=physics"])
    assert site.config(RUN) == (Path("/some/run"), "physics")
    with pytest.raises(ConfigurationError, match="missing"):
        load_site("mine", project).config(RUN)


def test_settings_for_a_site_that_has_none(project: Project) -> None:
    write(project, "mine", GOOD)
    with pytest.raises(ConfigurationError, match="has no settings") as caught:
        load_site("mine", project, ["account=x"]).settings()
    assert caught.value.found == "account=x"


def test_settings_that_are_none(project: Project) -> None:
    path = write(project, "mine", "Settings = dict\ndef config(run, settings): ...\n")
    with pytest.raises(ConfigurationError, match="is not a class of settings") as caught:
        load_site("mine", project)
    assert caught.value.source == str(path)


def test_a_recorded_site_keeps_its_settings_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "place.py"
    path.write_text(
        "from datetime import timedelta\n"
        "from hybrid_parsl.engine.site_settings import ShellText, SiteSettings\n"
        "from hybrid_parsl.engine.time_spans import Duration\n"
        "class Settings(SiteSettings):\n"
        "    account: str\n"
        "    walltime: Duration = timedelta(minutes=5)\n"
        "    init: ShellText = ''\n"
        "def config(run, settings):\n"
        "    raise NotImplementedError\n"
    )
    project = Project(tmp_path)
    monkeypatch.setenv("HYBRID_PARSL_PLACE_ACCOUNT", "physics")
    assignments = ["walltime=90s", "init=echo $HOME"]
    record = json.loads(json.dumps(load_site(str(path), project, assignments).record()))
    monkeypatch.setenv("HYBRID_PARSL_PLACE_ACCOUNT", "chemistry")
    again = load_recorded_site(record, project)
    assert again.record() == record
    settings: Any = again.settings()
    assert (settings.account, settings.walltime.total_seconds()) == ("physics", 90)
    assert settings.init == "echo $HOME"
    changed: Any = load_recorded_site(record, project, ["walltime=2h"]).settings()
    assert (changed.account, changed.walltime.total_seconds()) == ("physics", 7200)


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's file, with tables of sites that are not there."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "config" / "hybrid-parsl" / "sites.toml"
    path.parent.mkdir(parents=True)
    path.write_text("[clustre]\n[elsewhere]\n")
    return path


def site_files(folder: Path, *names: str) -> Project:
    (folder / "site_configs").mkdir()
    (folder / "apps").mkdir()
    for name in names:
        (folder / "site_configs" / f"{name}.py").write_text("def config(run): ...\n")
    return Project(folder)


def test_unknown_tables_are_named(tmp_path: Path, tables: Path) -> None:
    project = site_files(tmp_path, "cluster", "mine")
    assert check_tables("mine", project) == [
        f"{tables}: [clustre] is not a site of this project; did you mean [cluster]?",
        f"{tables}: [elsewhere] is not a site of this project",
    ]


def test_a_table_that_misspells_the_site_asked_for_is_an_error(
    tmp_path: Path, tables: Path
) -> None:
    project = site_files(tmp_path, "cluster")
    with pytest.raises(ConfigurationError, match="nearly the name of cluster") as caught:
        check_tables("cluster", project)
    assert (caught.value.source, caught.value.key) == (str(tables), "[clustre]")
    tables.write_text(tables.read_text() + "[cluster]\n")
    assert len(check_tables("cluster", project)) == 2


def test_the_table_of_a_site_file_elsewhere_is_known(tmp_path: Path, tables: Path) -> None:
    tables.write_text("[mine]\n")
    assert check_tables("mine", site_files(tmp_path)) == []
