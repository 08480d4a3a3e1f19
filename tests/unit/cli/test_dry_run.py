from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import tomli_w

from hybrid_parsl.experiment import Experiment

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_runs_and_nothing_is_written(command: Any) -> None:
    text = command("run", "bell", "--dry-run")
    assert "dataflow: search -> quantum -> analysis" in text
    assert "search: PsiJExecutor" in text
    assert "quantum: WarmProcessExecutor" in text
    assert "analysis: WarmProcessExecutor" in text
    assert "launcher mpirun: 2 ranks of" in text
    assert "-m hybrid_parsl.mpi" in text
    assert list(command.folder.iterdir()) == []


def test_the_experiment_is_shown_as_it_would_run(command: Any) -> None:
    changes = ["--set", "search.starts=7", "--set", "resources.num_ranks=5"]
    ranks = ["--set", "resources.ranks_per_node=5"]
    document = json.loads(command("run", "bell", "-n", "--json", *changes, *ranks))
    asked = Experiment.model_validate(document["experiment"])
    assert (asked.search.starts, asked.resources.num_ranks) == (7, 5)
    assert [stage["stage"] for stage in document["stages"]] == ["search", "quantum", "analysis"]
    assert [stage["after"] for stage in document["stages"]] == [
        [],
        ["search"],
        ["search", "quantum"],
    ]
    assert document["stages"][0]["resources"]["num_ranks"] == 5
    assert "5 ranks of" in document["stages"][0]["launch"]
    assert document["site"] == "local"
    text = command("run", "bell", "-n", *changes, *ranks)
    indented = [
        f"  {line}" if line else ""
        for line in tomli_w.dumps(document["experiment"]).rstrip().splitlines()
    ]
    assert text.rstrip().endswith("\n".join(["experiment:", *indented]))


def test_a_site_that_lacks_an_executor_is_refused(command: Any, tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text(
        "import parsl\n"
        "from parsl.executors.threads import ThreadPoolExecutor\n"
        "def config(run):\n"
        "    return parsl.Config(executors=[ThreadPoolExecutor(label='mpi')])\n"
    )
    command("run", "bell", "-n", "--site", "./site.py", code=2)
    assert "no executor with the label 'quantum' or 'analysis'" in command.err
    assert str(tmp_path / "site.py") in command.err


def test_a_site_whose_function_raises_is_refused(command: Any, tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text("def config(run):\n    return run.folder\n")
    command("run", "bell", "-n", "--site", "./site.py", code=2)
    assert f"{tmp_path / 'site.py'}, line 2: AttributeError" in command.err


def test_a_site_that_returns_no_configuration_is_refused(command: Any, tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text("def config(run):\n    return None\n")
    command("run", "bell", "-n", "--site", "./site.py", code=2)
    assert "config(run) has to return a parsl.Config" in command.err
