from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_sites_of_a_project_even_broken_ones(command: Any, tmp_path: Path) -> None:
    for name in ("apps", "site_configs"):
        (tmp_path / name).mkdir()
    folder = tmp_path / "site_configs"
    (folder / "good.py").write_text('"""A good one [not markup] [/x]."""\ndef config(run): ...\n')
    (folder / "bad.py").write_text("import nowhere_at_all\n")
    rows = json.loads(command("sites", "--json"))
    assert rows == [
        {
            "name": "bad",
            "summary": "broken: ModuleNotFoundError: No module named 'nowhere_at_all'",
            "source": str(folder / "bad.py"),
        },
        {
            "name": "good",
            "summary": "A good one [not markup] [/x].",
            "source": str(folder / "good.py"),
        },
    ]
    text = command("sites")
    assert "good" in text
    assert "A good one [not markup] [/x]." in text
    assert "nowhere_at_all" in text


def test_lines_are_not_wrapped_in_a_pipe(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for name in ("apps", "site_configs"):
        (tmp_path / name).mkdir()
    summary = "A site with a summary of many words " * 5
    (tmp_path / "site_configs" / "good.py").write_text(f'"""{summary}."""\ndef config(run): ...\n')
    head, row = command("sites").splitlines()
    assert head.split() == ["name", "summary", "source"]
    assert row == f"good  {summary}.  {tmp_path / 'site_configs' / 'good.py'}"


def test_a_project_without_sites(command: Any, tmp_path: Path) -> None:
    for name in ("apps", "site_configs"):
        (tmp_path / name).mkdir()
    assert json.loads(command("sites", "--json")) == []
    command("sites")


def test_the_kinds_of_problems(command: Any) -> None:
    rows = {row["name"]: row for row in json.loads(command("problems", "--json"))}
    spins = {"heisenberg", "tfim", "xxz"}
    assert {"bell", "circuit", "ising", "maxcut", "molecule", "pauli", *spins} <= set(rows)
    assert all(row["summary"] and "broken" not in row["summary"] for row in rows.values())
    assert rows["bell"]["keys"] == ""
    assert "degree" in rows["maxcut"]["keys"].split(", ")
    text = command("problems")
    assert all(name in text for name in rows)


def test_the_search_methods(command: Any) -> None:
    rows = {row["name"]: row for row in json.loads(command("optimizers", "--json"))}
    assert {"multistart", "spsa", "draw", "L-BFGS-B", "COBYQA"} <= set(rows)
    assert all(row["summary"] and "broken" not in row["summary"] for row in rows.values())
    assert "ftol" in rows["SLSQP"]["options"].split(", ")
    assert "multistart" in command("optimizers")


def test_the_quantum_backends(command: Any) -> None:
    rows = {row["name"]: row for row in json.loads(command("backends", "--json"))}
    assert {"aer", "fake", "ibm"} <= set(rows)
    assert all(row["summary"] and "broken" not in row["summary"] for row in rows.values())
    assert "optimization_level" in rows["ibm"]["options"].split(", ")
    assert "fake" in command("backends")


def test_the_settings_of_a_site(command: Any, tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text(
        "from pydantic import Field\n"
        "from hybrid_parsl.engine.site_settings import SiteSettings\n"
        "class Settings(SiteSettings):\n"
        "    account: str = Field(description='Who pays.')\n"
        "def config(run, settings): ...\n"
    )
    rows = json.loads(command("sites", "./site.py", "--json"))
    (row,) = rows
    assert (row["setting"], row["value"], row["from"]) == ("account", "(needed)", "")
    assert row["meaning"] == "Who pays."
    assert "Who pays." in command("sites", "./site.py")
    command("run", "bell", "--site", "./site.py", code=2)
    assert "account: missing" in command.err


def test_a_site_without_settings_says_so(command: Any) -> None:
    assert command("sites", "local") == "the site local has no settings\n"
    assert json.loads(command("sites", "local", "--json")) == []


def test_the_values_in_force_on_a_site(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRID_PARSL_SLURM_PARTITION", "debug")
    rows = {row["setting"]: row for row in json.loads(command("sites", "slurm", "--json"))}
    assert rows["partition"]["value"] == "debug"
    assert rows["partition"]["from"] == "$HYBRID_PARSL_SLURM_PARTITION"
    text = command("sites", "slurm", "--site-set", "walltime=90min")
    assert text.split("\n")[0].split() == ["setting", "value", "from", "meaning"]
    assert any(
        line.split()[:3] == ["walltime", "1:30:00", "--site-set"] for line in text.splitlines()
    )
    command("sites", "slurm", "--site-set", "walltime=90", code=2)
    assert "90min" in command.err
    command("sites", "--site-set", "nodes=2", code=2)
