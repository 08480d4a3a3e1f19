from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hybrid_parsl.report import style
from hybrid_parsl.report.layout_figure import draw_layout, has_layout, positions
from hybrid_parsl.results import Transpiled

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE = [(0, 1), (1, 2), (2, 3), (3, 4)]


def made(qubits: list[int], couplers: Sequence[tuple[int, int]]) -> Transpiled:
    counts = dict.fromkeys(("depth", "size", "two_qubit_gates", "depth_before", "size_before"), 1)
    return Transpiled(
        **counts,
        two_qubit_gates_before=1,
        duration_s=None,
        physical_qubits=qubits,
        couplers=list(couplers),
    )


def test_a_line_of_qubits_is_straight_and_even() -> None:
    places = positions(LINE, 5)
    assert np.diff(places[:, 0]) == pytest.approx([np.diff(places[:, 0])[0]] * 4)
    assert np.abs(places[:, 1]).max() < 1e-6


def test_a_grid_is_a_grid() -> None:
    pairs = [(a, a + 1) for a in range(16) if a % 4 < 3] + [(a, a + 4) for a in range(12)]
    places = positions(pairs, 16)
    lengths = [np.linalg.norm(places[a] - places[b]) for a, b in pairs]
    assert max(lengths) < 2 * min(lengths)


def test_parts_without_a_coupler_between_them_are_apart() -> None:
    places = positions([(0, 1), (2, 3)], 4)
    within = np.linalg.norm(places[0] - places[1])
    assert np.linalg.norm(places[0] - places[2]) > within / 2
    assert np.isfinite(places).all()


@pytest.mark.parametrize("qubits", [[0, 1, 2], [4], [3, 0]])
def test_the_qubits_of_the_circuit_are_marked(qubits: list[int]) -> None:
    record = made(qubits, LINE)
    assert has_layout(record)
    svg = draw_layout(record)
    assert svg == draw_layout(record)
    n_inside = sum(set(pair) <= set(qubits) for pair in LINE)
    assert svg.count(f'style="fill: {style.BLUE}') == len(qubits)
    assert svg.count(f"stroke: {style.BLUE}; stroke-width: 2.2") == n_inside


def test_where_there_is_nothing_to_draw() -> None:
    assert not has_layout(None)
    assert not has_layout(made([0], []))
    assert not has_layout(made([], LINE))
    assert not has_layout(made([0], [(0, 5000)]))
