from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Search
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.optimize.local import Cobyla
from hybrid_parsl.optimize.registry import OPTIMIZERS, load_optimizer, optimizer_class
from hybrid_parsl.optimize.scipy_method import OPTIONS, ScipyMethod
from hybrid_parsl.problems.registry import code_fingerprint, embed_code

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
from hybrid_parsl.optimize import Optimizer, OptimizerOptions

class Own(Optimizer):
    class Options(OptimizerOptions):
        step: float = 0.1

    def minimize(self, objective, point, bounds, random):
        objective.energy(point)

class Half(Optimizer):
    pass

class Failing(Own):
    def __init__(self, search):
        raise RuntimeError("no such licence")

class Other:
    pass
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own_optimizers_for_tests.py"
    path.write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return path


def test_the_names_of_this_package_take_precedence_over_scipys() -> None:
    assert optimizer_class("cobyla") is Cobyla
    assert optimizer_class("COBYLA") is ScipyMethod


@pytest.mark.parametrize(
    ("method", "suggestion"),
    [("gird", "grid"), ("nelder-mead", "Nelder-Mead"), ("bfgs", "BFGS"), ("xyz", None)],
)
def test_an_unknown_method_names_what_is_available(method: str, suggestion: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_optimizer(Search(method=method))
    error = caught.value
    assert (error.key, error.found, error.suggestion) == (
        "search.method",
        repr(method),
        suggestion,
    )
    assert {*OPTIMIZERS.built_in, *OPTIONS} <= set(str(error.valid).split(", "))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Half", "does not define minimize"),
        ("Failing", "RuntimeError: no such licence"),
        ("Other", "not an optimiser"),
        ("Missing", "AttributeError"),
    ],
)
def test_what_is_no_optimiser_is_refused(module: Path, name: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        load_optimizer(Search(method=f"{module.stem}:{name}"))
    assert caught.value.key == "search.method"


@pytest.mark.parametrize("method", ["own_optimizers_for_tests:Own", "Nelder-Mead", "spsa"])
def test_an_unknown_option_names_those_of_the_method(module: Path, method: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_optimizer(Search(method=method, options={"stepp": 1.0}))
    assert (caught.value.key, caught.value.message) == ("search.options.stepp", "unknown key")
    assert module.exists()
    if method.endswith("Own"):
        assert (caught.value.valid, caught.value.suggestion) == ("step", "step")


def test_options_reach_the_optimiser_as_its_own_model(module: Path) -> None:
    own = load_optimizer(Search(method=f"{module.stem}:Own", options={"step": 0.5}))
    assert own.options.step == 0.5
    with pytest.raises(ConfigurationError) as caught:
        load_optimizer(Search(method=f"{module.stem}:Own", options={"step": "wide"}))
    assert (caught.value.key, caught.value.found) == ("search.options.step", "'wide'")


def test_its_file_travels_with_the_experiment_and_counts(module: Path) -> None:
    table = {
        "name": "own",
        "problem": {"kind": "bell"},
        "search": {"method": f"{module.stem}:Own"},
    }
    experiment = embed_code(parse_experiment(table), [module.parent])
    assert [file.name for file in experiment.own_code.files] == [module.name]
    before = code_fingerprint(experiment)
    assert len(before) == 16
    module.write_text(f"{MODULE}\n# changed\n")
    assert code_fingerprint(embed_code(experiment, [module.parent])) not in {before, ""}
