"""The examples of docs/ as plug-ins of an installed package, named by their entry points."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from command import Command

from hybrid_parsl.experiment import Search
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.optimize.registry import load_optimizer
from hybrid_parsl.problems.registry import build_problem, problem_kinds
from hybrid_parsl.stages.analysis import analyse
from hybrid_parsl.stages.check import check_experiment
from hybrid_parsl.stages.quantum import sample
from hybrid_parsl.stages.search import search
from hybrid_parsl.testing.optimizer_contract import OptimizerContract
from hybrid_parsl.testing.problem_contract import ProblemContract

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```python title=(\w+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENTRY_POINTS = """
[hybrid_parsl.problems]
own-chain = chain:Chain

[hybrid_parsl.optimizers]
own-walk = random_walk:RandomWalk
"""
MODULES = ("chain", "weighted_chain", "random_walk")
TABLE = {
    "name": "own",
    "problem": {"kind": "own-chain"},
    "search": {"method": "own-walk", "options": {"step": 0.3}, "starts": 6, "iterations": 60},
}


def lines_of_the_class(source: str) -> int:
    return len([line for line in source[source.index("class ") :].splitlines() if line.strip()])


@pytest.fixture(autouse=True)
def package(tmp_path, monkeypatch):
    """Return the folder of an installed package with the modules of docs/."""
    for page in ("problems", "optimizers"):
        for title, text in BLOCK.findall((DOCS / f"{page}.md").read_text()):
            (tmp_path / title).write_text(text)
    metadata = tmp_path / "own_plugins-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-plugins\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield tmp_path
    for name in MODULES:
        sys.modules.pop(name, None)


class TestChain(ProblemContract):
    @pytest.fixture(params=["own-chain", "weighted_chain:WeightedChain"])
    def problem(self, request):
        table = {"name": "x", "problem": {"kind": request.param}}
        return build_problem(parse_experiment(table).problem)


class TestRandomWalk(OptimizerContract):
    @pytest.fixture
    def optimizer(self):
        asked = Search(method="own-walk", iterations=50, options={"step": 0.2})
        return load_optimizer(asked)


def test_the_examples_are_short(package):
    assert lines_of_the_class((package / "chain.py").read_text()) <= 12
    assert lines_of_the_class((package / "random_walk.py").read_text()) <= 15


@pytest.mark.usefixtures("thorough")
def test_the_stages_take_both_by_entry_point():
    assert problem_kinds()["own-chain"] == "chain:Chain"
    experiment = parse_experiment(TABLE)
    check_experiment(experiment)
    found = search(experiment)
    assert found == search(experiment).model_copy(update={"execution": found.execution})
    assert (found.method, found.energy) == ("own-walk", pytest.approx(-2, abs=0.1))
    assert len(found.trace) == 60
    assert found.n_evaluations == 6 * 61
    analysis = analyse(experiment, found, sample(experiment, found))
    assert analysis.ratio == pytest.approx(1, abs=0.05)


@pytest.mark.usefixtures("several_runs")
def test_a_run_takes_both_by_entry_point_on_any_number_of_ranks(package, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\n[problem]\nkind = "own-chain"\n[search]\nmethod = "own-walk"\n'
        "starts = 6\niterations = 20\noptions.step = 0.2\n"
    )
    found = []
    for ranks in (1, 3):
        run = Command("local", tmp_path / f"runs-{ranks}")
        ranks_of = ["--set", f"resources.num_ranks={ranks}", "--json"]
        done = run(str(path), *ranks_of, PYTHONPATH=str(package))
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout)["search"])
    for key in ("energies", "parameters", "trace", "n_evaluations"):
        assert found[0][key] == found[1][key]
