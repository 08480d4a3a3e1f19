from __future__ import annotations

import random
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import tomli_w
from experiment_fuzzer import damaged_table
from services import is_required, require

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.project import Project, find_project
from hybrid_parsl.run_plan import load_experiment, plan_run, requested_experiments

ROOT = Path(__file__).parents[2]
BELL = 'name = "x"\n[problem]\nkind = "bell"\n[search]\nmethod = "draw"\n'


def test_a_plan_knows_experiment_and_site_and_makes_nothing(tmp_path: Path) -> None:
    project = find_project(ROOT)
    plan = plan_run("bell", "slurm", project, ["search.starts=5"], ["nodes=3"], tmp_path / "runs")
    assert (plan.experiment.search.starts, plan.site.name) == (5, "slurm")
    assert plan.site.assignments == ("nodes=3",)
    assert {executor.label for executor in plan.config.executors} == {"mpi", "quantum", "analysis"}
    assert not list(tmp_path.iterdir())


def test_what_is_requested_is_known_before_anything_is_imported() -> None:
    table = {
        "name": "x",
        "problem": {"kind": "nowhere:Problem"},
        "sweep": {"quantum.backend": ["nowhere:one", "nowhere:two"]},
    }
    found = requested_experiments(table, ["search.method=nowhere:Method"], "file.toml")
    assert [each.quantum.backend for each in found] == ["nowhere:one", "nowhere:two"]
    assert {each.search.method for each in found} == {"nowhere:Method"}
    del table["sweep"]
    (single,) = requested_experiments(table, ["quantum.python=/a"], "file.toml")
    assert single.quantum.python == "/a"


def test_an_experiment_is_looked_up_overridden_and_checked(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "mine.toml").write_text(BELL)
    asked = load_experiment("mine", ["search.starts=5", "name=y"], Project(tmp_path))
    assert (asked.name, asked.search.starts, asked.search.method) == ("y", 5, "draw")


@pytest.mark.parametrize("name", ["bell", "ising", "maxcut", "molecule", "tfim"])
def test_the_experiments_of_the_project_are_valid(name: str) -> None:
    if name == "molecule":
        require("pyscf", "hybrid-parsl[molecule]", available=bool(find_spec("pyscf")))
    asked = load_experiment(name, [], find_project(ROOT))
    assert asked.name == name
    text = tomli_w.dumps(asked.model_dump(mode="json", exclude_none=True))
    assert type(asked).model_validate(tomllib.loads(text)) == asked


def test_damaged_experiments_are_valid_or_refused_before_they_run(tmp_path: Path) -> None:
    generator = random.Random("before they run")
    path = tmp_path / "damaged.toml"
    outcomes = []
    n_inputs = 1000 if is_required("thorough") else 100
    for _ in range(n_inputs):
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
    assert outcomes.count("valid") > n_inputs / 25
