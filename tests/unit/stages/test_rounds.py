from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.results import Analysis, Circuit, Execution, Mitigation, Sample
from hybrid_parsl.stages.rounds import (
    Limits,
    Round,
    check_limit,
    conclude,
    reason_to_end,
)

NOTHING = Limits()
AMOUNT = st.integers(0, 1000)
HERE = Execution(duration_s=1.0, n_ranks=1, hosts=["here"])


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
def test_no_round_begins_that_would_exceed_a_budget(what: str, spent: list[int], most: int) -> None:
    key = {"evaluations": "n_evaluations"}.get(what, what)
    rounds = [round_at(-number, **{key: each}) for number, each in enumerate(spent)]
    reason = reason_to_end(rounds, Limits(**{what: most}))  # type: ignore[arg-type]
    assert (reason is not None) == (sum(spent) + max(spent[-1], 1) > most)
    assert reason is None or what in reason


def test_a_limit_that_does_not_suffice_for_the_first_round_is_refused() -> None:
    check_limit("workflow.max_shots", None, 4096, "the shots of the first round")
    check_limit("workflow.max_shots", 4096, 4096, "the shots of the first round")
    with pytest.raises(ConfigurationError, match="below the shots of the first round") as caught:
        check_limit("workflow.max_shots", 4095, 4096, "the shots of the first round")
    error = caught.value
    assert (error.key, error.found, error.valid) == ("workflow.max_shots", "4095", "4096 or more")


def test_the_energy_of_steps_is_that_at_the_final_angles() -> None:
    others = [sample_of(shots=100), sample_of(shots=100, mitigation_shots=700)]
    found = conclude("steps", [round_at(-3.0)], "it was enough", analysed(-2.0), others)
    assert (found.energy, found.standard_error) == (-2.0, 0.05)
    assert (found.layers, found.steps, found.n_rounds) == (None, 1, 1)
    assert found.shots == 100 + 100 + 800
    assert dict(found.summary_lines())["energy"] == "-2 ± 0.05 after 1 step"
    section = found.report_section()
    assert section.head == ["steps", "mean of both measurements", "shots", "time"]
    assert "The energy at the final angles is -2 ± 0.05 after 1 step" in section.text
    other = conclude("steps", [round_at(-3.0)], "it was enough", analysed(-2.5), others)
    assert found.figures != other.figures


def test_what_a_study_can_tabulate_of_rounds_is_at_the_top_level() -> None:
    rounds = [round_at(-1.0), round_at(-2.0, number=2)]
    found = conclude("layers", rounds, "it was enough", analysed(-2.0)).model_dump(mode="json")
    expected = {"energy": -2.0, "standard_error": 0.05, "layers": 2, "n_rounds": 2, "shots": 200}
    assert {key: found[key] for key in expected} == expected


def test_one_layer_is_singular() -> None:
    found = conclude("layers", [round_at(-1.0)], "it was enough", analysed(-1.0))
    assert dict(found.summary_lines())["energy"].endswith("with 1 layer")


def analysed(energy: float) -> Analysis:
    return Analysis(
        energy=energy,
        standard_error=0.05,
        optimum=None,
        worst=None,
        ratio=None,
        best_ratio=None,
        probability_of_optimum=None,
        exact_energy=energy,
        deviation=0.0,
        top=[],
        landscape=None,
        figures={},
        execution=HERE,
    )


def sample_of(shots: int, mitigation_shots: int = 0) -> Sample:
    mitigation = Mitigation.model_construct(method="readout", shots=mitigation_shots)
    return Sample(
        counts={"0": shots},
        shots=shots,
        energy=0.0,
        standard_error=0.1,
        backend="any",
        circuit=Circuit(qasm3="", n_qubits=1, depth=0, n_gates=0, sha256=""),
        mitigation=mitigation if mitigation_shots else None,
        execution=HERE,
    )


def test_what_is_shown_of_rounds() -> None:
    rounds = [
        round_at(-1.0, ratio=0.5, exact_energy=-1.1, n_evaluations=7),
        round_at(-2.0, number=2),
    ]
    ended = "there were to be at most 2 layers"
    found = conclude("layers", rounds, ended, analysed(-2.0))
    assert found.rounds == rounds
    assert found.figures["rounds"].startswith("<svg")
    assert ("ended", "there were to be at most 2 layers") in found.summary_lines()
    section = found.report_section()
    assert len(section.rows) == len(rounds)
    assert all(len(row) == len(section.head) for row in section.rows)
    assert section.rows[0][3] == "0.5000"
    assert section.rows[1][2:4] == ["", ""]
