"""One sentence under each figure that says what is seen in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybrid_parsl.report.text import (
    count,
    finite,
    fixed,
    number,
    percent,
    several,
    shortened,
    with_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TITLES = {
    "search": "Search",
    "landscape": "Landscape",
    "distribution": "Measured distribution",
    "circuit": "Circuit",
}


def caption(name: str, document: Mapping[str, Any]) -> str:
    """Return the sentence for the figure `name` of a run; empty if nothing can be said.

    Parameters
    ----------
    name
        ``search``, ``landscape``, ``distribution`` or ``circuit``; any other has no caption.
    document
        The run, as `render_page` takes it.
    """
    search = document.get("search") or {}
    analysis = document.get("analysis") or {}
    quantum = document.get("quantum") or {}
    say: dict[str, Callable[[], str]] = {
        "search": lambda: _search(search, analysis.get("optimum")),
        "landscape": lambda: _landscape(analysis.get("landscape") or {}),
        "distribution": lambda: _distribution(quantum, analysis),
        "circuit": lambda: _circuit(quantum.get("circuit") or {}),
    }
    return say[name]() if name in say else ""


def _search(search: Mapping[str, Any], optimum: object) -> str:
    """Say how the search went."""
    energies = [value for value in search.get("energies") or [] if finite(value) is not None]
    if not energies:
        return ""
    if len(energies) == 1:
        text = f"The only start ended at the energy {number(energies[0])}"
    else:
        text = (
            f"{several(len(energies), 'start')} ended between {number(min(energies))} and "
            f"{number(max(energies))}; start {search.get('best_start')} was the best"
        )
    steps = len(search.get("trace") or [])
    text += f" after {several(steps, 'iteration')}" if steps > 1 else ""
    least, best = finite(optimum), finite(search.get("energy"))
    if least is not None and best is not None:
        text += f", {number(best - least, 4)} above the optimum of {number(least)}"
    return f"{text}."


def _landscape(landscape: Mapping[str, Any]) -> str:
    """Say where the lowest point of the landscape is."""
    rows = landscape.get("energy") or []
    gamma, beta = landscape.get("gamma") or [], landscape.get("beta") or []
    if not rows or not gamma or not beta:
        return ""
    lowest, row, column = min(
        (value, row, column) for row, line in enumerate(rows) for column, value in enumerate(line)
    )
    return (
        f"The exact energy of a single layer on {len(gamma)} × {len(beta)} points is lowest, "
        f"{number(lowest, 5)}, at {GAMMA} = {fixed(gamma[column], 3)} rad and "
        f"{BETA} = {fixed(beta[row], 3)} rad."
    )


GAMMA = "\N{GREEK SMALL LETTER GAMMA}"
BETA = "\N{GREEK SMALL LETTER BETA}"


def _distribution(quantum: Mapping[str, Any], analysis: Mapping[str, Any]) -> str:
    """Say what was measured most often, and how good that is."""
    top = analysis.get("top") or []
    if not top:
        return ""
    shots = quantum.get("shots")
    different = len(quantum.get("counts") or {})
    of_all = f" among {count(different)} different ones" if different else ""
    of_shots = f" of {count(shots)} shots" if shots else " of the shots"
    text = (
        f"{shortened(str(top[0].get('bitstring')))} came most often{of_all}, in "
        f"{percent(top[0].get('probability'))}{of_shots}; the mean energy is "
        f"{with_error(analysis.get('energy'), analysis.get('standard_error'))}"
    )
    hit = finite(analysis.get("probability_of_optimum"))
    if hit is not None:
        text += f", and {percent(hit)} of the shots gave an optimal bitstring"
    return f"{text}."


def _circuit(circuit: Mapping[str, Any]) -> str:
    """Say how large the circuit is."""
    if not circuit:
        return ""
    return (
        f"The sampled circuit, with its angles in radians: {count(circuit.get('n_qubits'))} "
        f"qubits, depth {count(circuit.get('depth'))}, {count(circuit.get('n_gates'))} gates."
    )
