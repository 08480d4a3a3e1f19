from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from analytic_objectives import BOX, Cosines, Quadratic, WithoutGradient
from scipy.optimize import OptimizeWarning, show_options

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Search
from hybrid_parsl.optimize.registry import load_optimizer
from hybrid_parsl.optimize.scipy_method import OPTIONS

EXAMPLES: dict[str, Any] = {
    "initial_simplex": [[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]],
    "direc": [[1.0, 0.0], [0.0, 1.0]],
    "hess_inv0": [[1.0, 0.0], [0.0, 1.0]],
    "scale": [1.0, 1.0],
    "offset": [0.0, 0.0],
    "norm": 2.0,
    "c1": 1e-4,
    "c2": 0.9,
    "eta": 0.15,
    "adaptive": True,
    "inexact": True,
    "f_target": -100.0,
    "initial_trust_radius": 0.5,
    "max_trust_radius": 2.0,
}
NEED_A_GRADIENT = {"Newton-CG", "dogleg", "trust-ncg", "trust-exact", "trust-krylov"}


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("method", OPTIONS)
def test_every_method_minimises_a_quadratic_and_repeats_itself(method: str) -> None:
    optimizer = load_optimizer(Search(method=method, seed=3))
    start = optimizer.run(Quadratic(), BOX, 1)
    assert start.energy == pytest.approx(-3, abs=1e-4)
    assert start.energy == Quadratic().energy(np.array(start.parameters))
    assert start == optimizer.run(Quadratic(), BOX, 1)
    assert start.trace[-1] <= start.trace[0]


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("method", sorted(set(OPTIONS) - NEED_A_GRADIENT))
def test_a_gradient_is_not_needed(method: str) -> None:
    optimizer = load_optimizer(Search(method=method, seed=3))
    assert optimizer.gradient != "required"
    start = optimizer.run(WithoutGradient(Quadratic()), BOX, 1)
    assert start.energy == pytest.approx(-3, abs=1e-3)


@pytest.mark.parametrize("method", sorted(NEED_A_GRADIENT))
def test_a_gradient_is_needed(method: str) -> None:
    assert load_optimizer(Search(method=method)).gradient == "required"


def test_exact_gradients_are_used_where_a_method_can() -> None:
    with_gradient = load_optimizer(Search(method="BFGS")).run(Cosines(), BOX, 0)
    without = load_optimizer(Search(method="BFGS")).run(WithoutGradient(Cosines()), BOX, 0)
    assert 2 * with_gradient.n_evaluations < without.n_evaluations


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("method", "option"), [(method, name) for method in OPTIONS for name in OPTIONS[method].split()]
)
def test_every_option_is_one_of_scipys(method: str, option: str) -> None:
    """SciPy warns about an option that it does not know."""
    default = 50 if option.startswith("max") else 0.01
    value = EXAMPLES.get(option, default)
    if (method, option) == ("COBYQA", "scale"):
        value = True
    optimizer = load_optimizer(Search(method=method, options={option: value}))
    with warnings.catch_warnings():
        warnings.simplefilter("error", OptimizeWarning)
        optimizer.check(2)


@pytest.mark.parametrize("method", OPTIONS)
def test_every_documented_method_is_there(method: str) -> None:
    assert show_options("minimize", method, disp=False)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"xatoll": 1.0}, "search.options.xatoll"),
        ({"maxiter": 1.5}, "search.options.maxiter"),
        ({"disp": True}, "search.options.disp"),
        ({"initial_simplex": [[1.0]]}, "search.options"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_optimizer(Search(method="Nelder-Mead", options=options)).check(2)
    assert caught.value.key == key


def test_options_take_precedence_over_the_limits_of_the_search() -> None:
    few = load_optimizer(Search(method="Nelder-Mead", options={"maxiter": 3}))
    assert len(few.run(Cosines(), BOX, 0).trace) <= 3
