"""A stage of this project's own: a plain function, declared as an app by one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsl import python_app

from hybrid_parsl import labels

if TYPE_CHECKING:
    from hybrid_parsl.results import Sample


def compare_energies(layers: list[int], samples: list[Sample]) -> dict[str, object]:
    """Draw the sampled energy against the number of layers.

    The numbers and texts of what a stage returns are shown; ``figures`` holds SVG by name.
    """
    import io

    from matplotlib.figure import Figure

    energies = [each.energy for each in samples]
    errors = [each.standard_error for each in samples]
    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(layers, energies, errors, marker="o", capsize=3)
    axes.set(xlabel="layers p", ylabel="sampled energy", xticks=layers)
    text = io.StringIO()
    figure.savefig(text, format="svg")
    best = min(range(len(layers)), key=energies.__getitem__)
    return {
        "best_layers": layers[best],
        "energy": energies[best],
        "standard_error": errors[best],
        "figures": {"depths": text.getvalue()},
    }


compare = python_app(compare_energies, executors=[labels.ANALYSIS])
