from __future__ import annotations

from analytic_objectives import Cosines, WithoutGradient

from hybrid_parsl.optimize.objective import DifferentiableObjective


def test_an_objective_is_known_by_what_it_offers() -> None:
    assert isinstance(Cosines(), DifferentiableObjective)
    assert not isinstance(WithoutGradient(Cosines()), DifferentiableObjective)
