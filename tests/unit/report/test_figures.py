from __future__ import annotations

import logging
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from qiskit import QuantumCircuit

from hybrid_parsl.report.circuit_figure import GATES_OF_PART, MOST_QUBITS, beginning, draw_circuit
from hybrid_parsl.report.distribution_figure import bin_edges, draw_distribution
from hybrid_parsl.report.figures import draw_figures, warm_up
from hybrid_parsl.report.landscape_figure import draw_landscape
from hybrid_parsl.report.search_figure import MOST_DOTS, draw_search, staircase
from hybrid_parsl.report.style import add_panel, message_svg, new_figure, widen
from hybrid_parsl.results import Landscape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray


def assert_is_plain_svg(svg: str) -> None:
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox")
    outside = re.findall(r"https?://[^\"'\s)]+", re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg))
    assert not outside
    assert "<style" not in svg
    assert "<metadata" not in svg
    defined = re.findall(r'\sid="([^"]*)"', svg)
    assert len(defined) == len(set(defined))
    referred = {one or two for one, two in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)}
    assert referred == set(defined)


@pytest.mark.usefixtures("thorough")
def test_every_figure_is_plain_svg(figures: dict[str, str]) -> None:
    assert list(figures) == ["search", "landscape", "distribution", "circuit"]
    for svg in figures.values():
        assert_is_plain_svg(svg)


@pytest.mark.usefixtures("thorough")
def test_figures_are_always_the_same_and_in_threads_too(
    run: Any, energies: Any, figures: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(draw_figures, *run, energies=energies) for _ in range(2)]
        assert [job.result() for job in jobs] == [figures] * 2
    assert not caplog.records


def test_no_figure_is_left_behind_in_pyplot(run: Any) -> None:
    from matplotlib import pyplot as plt

    circuit = run.circuit.copy()
    circuit.global_phase = 1.25
    draw_circuit(circuit)
    assert plt.get_fignums() == []


@pytest.mark.usefixtures("thorough")
def test_results_without_optimum_and_landscape(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    unknown = dict.fromkeys(
        ("optimum", "worst", "ratio", "best_ratio", "probability_of_optimum", "landscape")
    )
    analysis = run.analysis.model_copy(update=unknown)
    figures = draw_figures(*run[:3], analysis, run.circuit)
    assert list(figures) == ["search", "distribution", "circuit"]
    for svg in figures.values():
        assert_is_plain_svg(svg)
    assert not caplog.records


@pytest.mark.usefixtures("thorough")
def test_a_figure_that_cannot_be_drawn_says_why(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Sequence[str]) -> NDArray[float64]:
        message = "no <energy> & nothing\x00else"
        raise ValueError(message)

    with caplog.at_level(logging.WARNING):
        figures = draw_figures(*run, energies=broken)
    text = "".join(ET.fromstring(figures["distribution"]).itertext())
    assert "ValueError: no <energy> & nothing" in text
    assert "'distribution'" in caplog.text
    assert_is_plain_svg(figures["search"])


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("values", "trace"),
    [
        ([-1.0], []),
        ([-1.0], [-1.0]),
        ([-2.0] * 8, [-2.0] * 5),
        ([-1.0, -2.0, -1.5, -1.7, -1.1], []),
        (list(np.random.default_rng(1).normal(size=MOST_DOTS + 1)), [0.0, -1.0]),
        ([0.0, 0.0], [1e-14, 0.0]),
        ([1e9, 2e9], [3e9, 1e9]),
    ],
)
def test_search_of_any_shape(run: Any, values: list[float], trace: list[float]) -> None:
    best = int(np.argmin(values))
    search = run.search.model_copy(
        update={"energies": values, "trace": trace, "best_start": best, "energy": values[best]}
    )
    for optimum in (None, -3.0):
        assert_is_plain_svg(draw_search(search, optimum))


def test_energies_that_agree_to_rounding_do_not_fill_the_axis() -> None:
    axes = add_panel(new_figure(6, 4), 1, 4)
    values = [-1.1373060357533, -1.1373060357534]
    axes.scatter([0, 1], values)
    axes.set_xlim(-0.5, 1.5)
    widen(axes, values)
    low, high = axes.get_ylim()
    assert high - low > 1e-3


def test_staircase_keeps_only_its_corners() -> None:
    where, best = staircase(np.array([3.0, 4.0, 1.0, 2.0, 0.5, 9.0]))
    assert where.tolist() == [0, 2, 4, 5]
    assert best.tolist() == [3.0, 1.0, 0.5, 0.5]


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 2), (3, 200)])
def test_landscape_of_any_shape(shape: tuple[int, int]) -> None:
    rows, columns = shape
    landscape = Landscape(
        gamma=np.linspace(0, 1, columns).tolist(),
        beta=np.linspace(0, 1, rows).tolist(),
        energy=np.random.default_rng(0).normal(size=shape).tolist(),
    )
    assert_is_plain_svg(draw_landscape(landscape, [0.5, 0.5]))
    assert_is_plain_svg(draw_landscape(landscape, [7.0, 0.5]))


def test_flat_landscape() -> None:
    flat = Landscape(gamma=[0.0, 1.0], beta=[0.0, 1.0], energy=[[1.0, 1.0], [1.0, 1.0]])
    assert_is_plain_svg(draw_landscape(flat, None))


def test_distribution_of_one_long_bitstring(run: Any, energies: Any) -> None:
    bits = "01" * 50
    one = run.analysis.top[0].model_copy(
        update={"bitstring": bits, "count": 1024, "probability": 1.0}
    )
    analysis = run.analysis.model_copy(update={"top": [one]})
    sample = run.sample.model_copy(update={"counts": {bits: 1024}})
    assert_is_plain_svg(draw_distribution(sample, analysis, energies))


def test_bins_fit_whole_energies_and_any_others() -> None:
    assert bin_edges(np.array([-3.0, -1.0, 0.0])).tolist() == [-3.5, -2.5, -1.5, -0.5, 0.5]
    assert bin_edges(np.array([2.0, 2.0])).tolist() == [1.5, 2.5]
    irregular = bin_edges(np.random.default_rng(0).normal(size=100))
    assert len(irregular) == 37
    assert np.all(np.diff(irregular) > 0)


@pytest.mark.usefixtures("thorough")
def test_a_large_circuit_is_drawn_in_part() -> None:
    large = QuantumCircuit(MOST_QUBITS + 5, 2)
    for layer in range(60):
        large.rx(0.1 * layer, large.qubits)
    part = beginning(large)
    assert part.num_qubits == MOST_QUBITS
    assert part.size() == GATES_OF_PART
    svg = draw_circuit(large)
    assert_is_plain_svg(svg)


def test_small_circuits_are_drawn_whole() -> None:
    for circuit in (QuantumCircuit(1), QuantumCircuit(2, 2)):
        circuit.h(0)
        assert beginning(circuit).size() == circuit.size()
        assert_is_plain_svg(draw_circuit(circuit))


def test_message_is_escaped_and_short() -> None:
    svg = message_svg("<script>alert(1)</script>\n" + "word " * 2000)
    assert "<script>" not in svg
    assert len(svg) < 4000
    ET.fromstring(svg)
    ET.fromstring(message_svg(""))


def test_warm_up_loads_what_drawing_needs(caplog: pytest.LogCaptureFixture) -> None:
    warm_up()
    assert "matplotlib.backends.backend_svg" in sys.modules
    assert not caplog.records
