"""All figures of a run, as SVG text."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from hybrid_parsl.report import style

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.results import Analysis, Sample, SearchResult

_log = logging.getLogger(__name__)


def draw_figures(
    experiment: Experiment,
    search: SearchResult,
    sample: Sample,
    analysis: Analysis,
    circuit: QuantumCircuit,
    energies: Callable[[Sequence[str]], NDArray[float64]] | None = None,
    unit: str = style.COST_UNITS,
) -> dict[str, str]:
    """Return the figures of a run as SVG text by name.

    The same results give the same text. A figure that cannot be drawn does not end the run: it
    becomes a small SVG that says why, and the reason is logged as a warning.

    Parameters
    ----------
    experiment, search, sample, analysis
        What was asked, and what each stage gave; the figures of `analysis` are not looked at.
    circuit
        The circuit with its angles bound, without measurements.
    energies
        Gives the cost of each bitstring, shape ``(len(bitstrings),)``, as the method of that
        name of the problem does; without it there is no histogram of the measured energies.
    unit
        Of the cost.

    Returns
    -------
    figures
        ``search`` (unless only one point was evaluated), ``landscape`` (only if the analysis has
        one), ``distribution``, ``circuit``. Of a sample without bitstrings, ``expectation`` takes
        the place of ``distribution``; of one with mitigation, it is there as well, and after an
        extrapolation ``extrapolation``.
        ``layout`` of a circuit on a device.
    """
    from hybrid_parsl.report.circuit_figure import draw_circuit
    from hybrid_parsl.report.distribution_figure import draw_distribution
    from hybrid_parsl.report.expectation_figure import draw_expectation
    from hybrid_parsl.report.extrapolation_figure import draw_extrapolation
    from hybrid_parsl.report.landscape_figure import draw_landscape
    from hybrid_parsl.report.layout_figure import draw_layout, has_layout
    from hybrid_parsl.report.search_figure import draw_search

    drawings: dict[str, Callable[[], str]] = {}
    if search.n_evaluations > 1:
        drawings["search"] = functools.partial(draw_search, search, analysis.optimum, unit)
    if analysis.landscape is not None:
        found = search.parameters if experiment.ansatz.layers == 1 else None
        drawings["landscape"] = functools.partial(draw_landscape, analysis.landscape, found)
    if sample.counts:
        drawings["distribution"] = functools.partial(draw_distribution, sample, analysis, energies)
    if not sample.counts or analysis.raw is not None:
        drawings["expectation"] = functools.partial(draw_expectation, analysis, unit)
    if sample.mitigation is not None and sample.mitigation.extrapolation is not None:
        drawings["extrapolation"] = functools.partial(
            draw_extrapolation, sample.mitigation, analysis, unit
        )
    drawings["circuit"] = functools.partial(draw_circuit, circuit)
    if sample.transpiled is not None and has_layout(sample.transpiled):
        drawings["layout"] = functools.partial(draw_layout, sample.transpiled)
    return {name: attempt(name, draw) for name, draw in drawings.items()}


def attempt(name: str, draw: Callable[[], str]) -> str:
    """Return what `draw` gives, or a figure that says why there is none."""
    from hybrid_parsl.report.style import message_svg

    try:
        return draw()
    except Exception as error:  # noqa: BLE001 - a run is worth more than one of its figures
        _log.warning("the figure '%s' could not be drawn", name, exc_info=True)
        return message_svg(
            f"The figure '{name}' could not be drawn:\n{type(error).__name__}: {error}"
        )


def warm_up() -> None:
    """Load matplotlib, its fonts and Qiskit's drawer, so that `draw_figures` is quick.

    The first use of matplotlib on a machine also builds its cache of fonts, which takes seconds.
    A small circuit is enough: drawing more here takes longer than it saves later.
    """
    from qiskit import QuantumCircuit

    from hybrid_parsl.report.circuit_figure import draw_circuit

    circuit = QuantumCircuit(2)
    circuit.h(circuit.qubits)
    circuit.rzz(0.5, 0, 1)
    circuit.rx(0.5, 1)
    attempt("circuit", functools.partial(draw_circuit, circuit))
