from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.stages.rounds import Limits, Round, conclude, reason_to_end

NOTHING = Limits()
AMOUNT = st.integers(0, 1000)


def round_at(energy: float, **more: Any) -> Round:
    return Round.model_validate(
        {"number": 1, "energy": energy, "standard_error": 0.1, "shots": 100, "seconds": 2, **more}
    )


def test_the_first_round_is_followed_by_another() -> None:
    assert reason_to_end([round_at(-1)], NOTHING) is None


@given(gain=st.floats(-5, 5), errors=st.tuples(st.floats(0, 2), st.floats(0, 2)))
def test_rounds_end_when_the_gain_is_below_its_error_bar(
    gain: float, errors: tuple[float, float]
) -> None:
    rounds = [round_at(0, standard_error=errors[0]), round_at(-gain, standard_error=errors[1])]
    reason = reason_to_end(rounds, NOTHING)
    assert (reason is not None) == (gain < math.hypot(*errors))
    assert reason is None or "error bar" in reason


@pytest.mark.parametrize(("ratio", "ends"), [(None, False), (0.79, False), (0.8, True), (1, True)])
def test_rounds_end_at_the_target(ratio: float | None, *, ends: bool) -> None:
    reason = reason_to_end([round_at(-1, ratio=ratio)], Limits(target_ratio=0.8))
    assert (reason is not None) == ends


@given(spent=st.lists(AMOUNT, min_size=1, max_size=5), most=st.integers(1, 3000))
@pytest.mark.parametrize("what", ["shots", "evaluations", "seconds"])
def test_rounds_end_when_a_budget_is_spent(what: str, spent: list[int], most: int) -> None:
    key = {"evaluations": "n_evaluations"}.get(what, what)
    rounds = [round_at(-number, **{key: each}) for number, each in enumerate(spent)]
    reason = reason_to_end(rounds, Limits(**{what: most}))  # type: ignore[arg-type]
    assert (reason is not None) == (sum(spent) >= most)
    assert reason is None or what in reason


def test_what_is_shown_of_rounds() -> None:
    rounds = [
        round_at(-1.0, ratio=0.5, exact_energy=-1.1, n_evaluations=7),
        round_at(-2.0, number=2),
    ]
    found = conclude("layers", rounds, "there were to be at most 2 layers")
    assert found.rounds == rounds
    assert found.figures["rounds"].startswith("<svg")
    assert ("ended", "there were to be at most 2 layers") in found.summary_lines()
    section = found.report_section()
    assert len(section.rows) == len(rounds)
    assert all(len(row) == len(section.head) for row in section.rows)
    assert section.rows[0][3] == "0.5000"
    assert section.rows[1][2:4] == ["", ""]
