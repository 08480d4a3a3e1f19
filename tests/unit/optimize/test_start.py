from __future__ import annotations

import json

import numpy as np
import pytest
from analytic_objectives import Quadratic
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.optimize.start import Recorder, Start

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    index=st.integers(0, 2**31),
    energy=FINITE | st.just(float("inf")),
    numbers=st.lists(FINITE, max_size=5),
)
def test_a_start_survives_json_with_all_its_digits(
    index: int, energy: float, numbers: list[float]
) -> None:
    start = Start(index, energy, numbers, [energy, *numbers], 3)
    text = start.to_json()
    assert "\n" not in text
    assert text[0] == "{"
    assert Start.from_json(json.loads(text)) == start


def test_the_best_of_many_starts_is_one() -> None:
    starts = [Start(index, energy, [], [], 1) for index, energy in [(3, -1.0), (1, -1.0), (0, 2.0)]]
    assert min(starts, key=lambda start: start.order).index == 1


def test_a_recorder_keeps_the_best_point_and_the_way_down() -> None:
    recorder = Recorder(Quadratic(1))
    for angle in (3.0, 1.5, 2.0, 1.0, 5.0):
        recorder.energy(np.array([angle]))
        recorder.mark("whatever", a="callback gets")
    start = recorder.finish(9)
    assert start == Start(9, -3.0, [1.0], [1.0, -2.75, -2.75, -3.0, -3.0], 5)


def test_the_point_is_kept_as_it_was() -> None:
    recorder = Recorder(Quadratic(1))
    point = np.array([1.0])
    recorder.energy(point)
    point[0] = 7.0
    assert recorder.finish(0).parameters == [1.0]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_an_energy_that_is_not_finite_is_never_the_best(wrong: float) -> None:
    recorder = Recorder(Quadratic(1))
    assert recorder.note(np.array([0.0]), wrong) == float("inf")
    assert recorder.note(np.array([2.0]), 4.0) == 4.0
    assert recorder.note(np.array([3.0]), wrong) == float("inf")
    start = recorder.finish(0)
    assert (start.energy, start.parameters, start.n_evaluations) == (4.0, [2.0], 3)
    assert start.trace == [4.0]
