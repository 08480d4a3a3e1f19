"""One sentence under each figure that says what is seen in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybrid_parsl.report.result_views import with_tables_of
from hybrid_parsl.report.text import (
    BETA,
    GAMMA,
    count,
    duration,
    finite,
    fixed,
    measured_with,
    mitigated_with,
    number,
    percent,
    several,
    shortened,
    with_error,
)
from hybrid_parsl.results import highest_optimal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EQUALS = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
TITLES = {
    "rounds": "Rounds",
    "search": "Search",
    "landscape": "Landscape",
    "distribution": "Measured distribution",
    "expectation": "Measured energy",
    "extrapolation": "Extrapolation to zero noise",
    "circuit": "Circuit",
    "layout": "Layout on the device",
}


def title(name: str) -> str:
    """Return the heading of the figure `name`: ``Circuit``, ``Circuit of analysis-p2``."""
    task, _, figure = name.rpartition(".")
    of_task = f" of {task}" if task else ""
    return f"{TITLES[figure]}{of_task}" if figure in TITLES else name


def order(name: str) -> tuple[bool, str, int, str]:
    """Return what sorts figures: those without a task first, of each task as in `TITLES`."""
    task, _, figure = name.rpartition(".")
    places = list(TITLES)
    if figure not in places:
        return (False, "", len(places), name)
    return (bool(task), task, places.index(figure), name)


def caption(name: str, document: Mapping[str, Any]) -> str:
    """Return the sentence for the figure `name` of a run; empty if nothing can be said.

    Parameters
    ----------
    name
        That of its file. Figures that their task calls ``rounds``, ``search``, ``landscape``,
        ``distribution``, ``expectation``, ``extrapolation``, ``circuit`` or ``layout`` have a
        caption.
    document
        The run, as `render_page` takes it.
    """
    tasks = document.get("tasks") or {}
    task, figure = _owner(name, tasks)
    document = with_tables_of(document, task)
    search = document.get("search") or {}
    analysis = document.get("analysis") or {}
    quantum = document.get("quantum") or {}
    say: dict[str, Callable[[], str]] = {
        "rounds": lambda: _rounds(tasks.get(task) or {}),
        "search": lambda: _search(search, analysis),
        "landscape": lambda: _landscape(analysis.get("landscape") or {}, _single_layer(document)),
        "distribution": lambda: _distribution(quantum, analysis),
        "expectation": lambda: _expectation(quantum, analysis),
        "extrapolation": lambda: _extrapolation(quantum.get("mitigation") or {}, analysis),
        "circuit": lambda: _circuit(quantum.get("circuit") or {}),
        "layout": lambda: _layout(quantum.get("transpiled") or {}),
    }
    return say[figure]() if figure in say else ""


def _owner(name: str, tasks: Mapping[str, Any]) -> tuple[str, str]:
    """Return the task that drew the figure in a file, and how it calls it; the analysis if none."""
    for task, table in tasks.items():
        for figure, file in (table.get("figures") or {}).items():
            if file == name:
                return task, figure
    return "analysis", name


def _rounds(task: Mapping[str, Any]) -> str:
    """Say how the rounds ended."""
    section = (task.get("view") or {}).get("section") or {}
    return str(section.get("text") or "")


def _search(search: Mapping[str, Any], analysis: Mapping[str, Any]) -> str:
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
    if unmoved := finite(search.get("n_unmoved")):
        text += f" (starts that ended where they began: {count(unmoved)})"
    steps = len(search.get("trace") or [])
    text += f" after {several(steps, 'iteration')}" if steps > 1 else ""
    least, best = finite(analysis.get("optimum")), finite(search.get("energy"))
    worst = finite(analysis.get("worst"))
    if least is not None and best is not None:
        if best <= highest_optimal(least, least if worst is None else worst):
            text += ", at the optimum"
        else:
            text += f", {number(best - least, 4)} above the optimum of {number(least)}"
    return f"{text}."


def _single_layer(document: Mapping[str, Any]) -> list[float]:
    """Return gamma and beta in radians if the search had one layer, else nothing."""
    layers = ((document.get("experiment") or {}).get("ansatz") or {}).get("layers")
    found = list((document.get("search") or {}).get("parameters") or [])
    return found if layers == 1 and len(found) == 2 else []  # noqa: PLR2004 - gamma and beta


def _landscape(landscape: Mapping[str, Any], found: list[float]) -> str:
    """Say where the lowest point of the landscape is, and whether the search is on the map."""
    rows = landscape.get("energy") or []
    gamma, beta = landscape.get("gamma") or [], landscape.get("beta") or []
    if not rows or not gamma or not beta:
        return ""
    lowest, row, column = min(
        (value, row, column) for row, line in enumerate(rows) for column, value in enumerate(line)
    )
    outside = ""
    if found and not (gamma[0] <= found[0] <= gamma[-1] and beta[0] <= found[1] <= beta[-1]):
        outside = "; the angles that the search found are outside of this map"
    return (
        f"The exact energy of a single layer on {len(gamma)} by {len(beta)} points is lowest, "
        f"{number(lowest, 5)}, at {GAMMA}{EQUALS}{fixed(gamma[column], 3)} rad and "
        f"{BETA}{EQUALS}{fixed(beta[row], 3)} rad{outside}."
    )


def _distribution(quantum: Mapping[str, Any], analysis: Mapping[str, Any]) -> str:
    """Say what was measured most often, and how good that is."""
    top = analysis.get("top") or []
    if not top:
        return ""
    shots, raw = quantum.get("shots"), analysis.get("raw") or {}
    mean, error = raw.get("expectation"), raw.get("standard_error")
    if not raw:
        mean, error = analysis.get("energy"), analysis.get("standard_error")
    different = len(quantum.get("counts") or {})
    of_all = f" among {count(different)} different ones" if different else ""
    of_shots = f" of {count(shots)} shots" if shots else " of the shots"
    text = (
        f"{shortened(str(top[0].get('bitstring')))} came most often{of_all}, in "
        f"{percent(top[0].get('probability'))}{of_shots}; the mean energy is "
        f"{with_error(mean, error)}"
    )
    hit = finite(analysis.get("probability_of_optimum"))
    if hit is not None:
        text += f", and {percent(hit)} of the shots gave an optimal bitstring"
    return f"{text}."


def _expectation(quantum: Mapping[str, Any], analysis: Mapping[str, Any]) -> str:
    """Say what was measured, how often, and how far it is from the exact energy."""
    if finite(analysis.get("energy")) is None:
        return ""
    energy = with_error(analysis.get("energy"), analysis.get("standard_error"))
    mitigation, raw = quantum.get("mitigation") or {}, analysis.get("raw") or {}
    text = f"The {'mitigated' if raw else 'measured'} energy is {energy}"
    if words := mitigated_with(mitigation) if raw else measured_with(quantum):
        text += f", of {words}"
    deviation = finite(analysis.get("deviation"))
    if deviation is not None:
        side = "above" if deviation >= 0 else "below"
        text += f"; it is {fixed(abs(deviation), 1)} standard errors {side} the exact energy "
        text += number(analysis.get("exact_energy"))
    return f"{text}. {_without_mitigation(quantum, analysis)}".rstrip() if raw else f"{text}."


def _without_mitigation(quantum: Mapping[str, Any], analysis: Mapping[str, Any]) -> str:
    """Say what was measured without mitigation."""
    raw = analysis.get("raw") or {}
    value, error = finite(raw.get("expectation")), finite(raw.get("standard_error"))
    if value is None:
        return ""
    text = f"Without mitigation it is {with_error(value, error)}"
    if words := measured_with(quantum):
        text += f", of {words} in {duration(raw.get('seconds'))}"
    exact = finite(analysis.get("exact_energy"))
    if exact is not None and error:
        side = "above" if value >= exact else "below"
        text += f": {fixed(abs(value - exact) / error, 1)} standard errors {side} the exact energy"
    return f"{text}."


def _extrapolation(mitigation: Mapping[str, Any], analysis: Mapping[str, Any]) -> str:
    """Say which function of the noise gave which energy."""
    factors = mitigation.get("noise_factors") or []
    if not factors or finite(analysis.get("energy")) is None:
        return ""
    listed, kind = ", ".join(map(str, factors)), mitigation.get("extrapolation")
    energy = with_error(analysis.get("energy"), analysis.get("standard_error"))
    return (
        f"With each gate applied {listed} times, a {kind} fit gives the energy "
        f"{energy} without noise. Its error bar is that of the shots; it does not say whether the "
        "noise follows the fit."
    )


def _circuit(circuit: Mapping[str, Any]) -> str:
    """Say how large the circuit is."""
    if not circuit:
        return ""
    return (
        f"The sampled circuit, with its angles in radians: {count(circuit.get('n_qubits'))} "
        f"qubits, depth {count(circuit.get('depth'))}, {count(circuit.get('n_gates'))} gates."
    )


def _layout(transpiled: Mapping[str, Any]) -> str:
    """Say where the circuit is on the device, and what the transpiler made of it."""
    if not transpiled:
        return ""
    text = (
        "Qubits of the circuit on the qubits of the device, with their numbers there, and its "
        f"couplers. The transpiler turned depth {count(transpiled.get('depth_before'))} into "
        f"{count(transpiled.get('depth'))}, and {count(transpiled.get('two_qubit_gates_before'))} "
        f"two-qubit gates into {count(transpiled.get('two_qubit_gates'))}"
    )
    seconds = finite(transpiled.get("duration_s"))
    return f"{text}." if seconds is None else f"{text}; one execution takes {seconds * 1e6:.3g} µs."
