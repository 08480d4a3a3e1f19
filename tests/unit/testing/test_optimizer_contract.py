"""The built-in optimisers pass the contract tests, and what breaks the contract fails them."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import BaseModel

from hybrid_parsl.experiment import Search
from hybrid_parsl.optimize import Optimizer
from hybrid_parsl.optimize.registry import OPTIMIZERS, load_optimizer
from hybrid_parsl.testing.optimizer_contract import OptimizerContract


class TestBuiltIn(OptimizerContract):
    @pytest.fixture(params=OPTIMIZERS.built_in)
    def optimizer(self, request):
        return load_optimizer(Search(method=request.param, starts=40, iterations=60, seed=1))


class TestOfScipy(OptimizerContract):
    @pytest.fixture(params=["Nelder-Mead", "SLSQP", "dogleg", "BFGS"])
    def optimizer(self, request):
        return load_optimizer(Search(method=request.param, iterations=30, seed=1))


class Once(Optimizer):
    """Evaluates the point that it is given."""

    def minimize(self, objective, point, bounds, random):  # noqa: ARG002
        objective.energy(point)


class PastTheRecord(Optimizer):
    def minimize(self, objective, point, bounds, random):  # noqa: ARG002
        objective.energy(point)
        objective.objective.energy(point)


class OwnRandom(Optimizer):
    def minimize(self, objective, point, bounds, random):  # noqa: ARG002
        objective.energy(point + np.random.default_rng().random(len(point)))


class Remembering(Optimizer):
    seen = 0

    def minimize(self, objective, point, bounds, random):  # noqa: ARG002
        type(self).seen += 1
        objective.energy(point + self.seen)


class Rising(Optimizer):
    def minimize(self, objective, point, bounds, random):  # noqa: ARG002
        objective.trace.extend([1.0, 2.0])


class Stumbling(Optimizer):
    def minimize(self, objective, point, bounds, random):  # noqa: ARG002
        if not np.isfinite(objective.energy(point)):
            raise ArithmeticError


class Loose(Once):
    class Options(BaseModel):
        pass


@pytest.mark.parametrize(
    ("kind", "test", "error"),
    [
        (Once, "test_it_evaluates_and_improves", AssertionError),
        (PastTheRecord, "test_the_record_is_that_of_the_objective", AssertionError),
        (OwnRandom, "test_a_start_depends_on_its_seed_and_index_alone", AssertionError),
        (Remembering, "test_a_start_depends_on_its_seed_and_index_alone", AssertionError),
        (Rising, "test_the_trace_goes_down", AssertionError),
        (Stumbling, "test_energies_that_are_not_finite_end_no_search", ArithmeticError),
        (Loose, "test_options_are_read_strictly", AssertionError),
    ],
)
def test_what_breaks_the_contract_fails(kind, test, error):
    with pytest.raises(error):
        vars(OptimizerContract)[test](OptimizerContract(), kind(Search()))
