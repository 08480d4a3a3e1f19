"""Figure of the qubits of a device that a circuit uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.report import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.results import Transpiled

_WIDTH_IN = 7.2
_LEAST_HEIGHT_IN, _MOST_HEIGHT_IN = 1.6, 6.0
_MARGIN_IN = 0.35
_MOST_QUBITS = 1200


def has_layout(transpiled: Transpiled | None) -> bool:
    """Return whether a record says where a circuit is on a device that can be drawn."""
    return (
        transpiled is not None
        and bool(transpiled.couplers and transpiled.physical_qubits)
        and 1 + max(map(max, transpiled.couplers)) <= _MOST_QUBITS
    )


def draw_layout(transpiled: Transpiled) -> str:
    """Return the qubits of a device and their couplers, those of the circuit marked, as SVG.

    Parameters
    ----------
    transpiled
        A record for which `has_layout` holds.
    """
    n_qubits = 1 + max(*map(max, transpiled.couplers), *transpiled.physical_qubits)
    places = positions(transpiled.couplers, n_qubits)
    low, high = places.min(axis=0), places.max(axis=0)
    span = max(high[0] - low[0], 1.0)  # a line has no height
    room_in = _WIDTH_IN - 2 * _MARGIN_IN
    wanted_in = 2 * _MARGIN_IN + room_in * (high[1] - low[1]) / span
    height_in = float(np.clip(wanted_in, _LEAST_HEIGHT_IN, _MOST_HEIGHT_IN))
    figure = style.new_figure(_WIDTH_IN, height_in)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    scale = max(span / room_in, (high[1] - low[1]) / (height_in - 2 * _MARGIN_IN))
    middle = (low + high) / 2
    axes.set_xlim(middle[0] - scale * _WIDTH_IN / 2, middle[0] + scale * _WIDTH_IN / 2)
    axes.set_ylim(middle[1] - scale * height_in / 2, middle[1] + scale * height_in / 2)
    used = set(transpiled.physical_qubits)
    for pair in transpiled.couplers:
        inside = used.issuperset(pair)
        color, width = (style.BLUE, 2.2) if inside else (style.GRID, 1.2)
        axes.plot(*places[list(pair)].T, color=color, linewidth=width, zorder=1 + inside)
    axes.scatter(places[:, 0], places[:, 1], s=14, color=style.PALE_BLUE, zorder=3)
    for number, qubit in enumerate(transpiled.physical_qubits):
        x, y = map(float, places[qubit])
        axes.scatter(x, y, s=190, color=style.BLUE, zorder=4)
        axes.annotate(
            f"q{number}",
            (x, y),
            ha="center",
            va="center_baseline",
            color="white",
            fontsize=style.SIZE - 2,
            family=style.FAMILY,
            zorder=5,
        )
        axes.annotate(
            str(qubit),
            (x, y),
            (10, 8),
            textcoords="offset points",
            color=style.MUTED,
            fontsize=style.SIZE - 2,
            family=style.FAMILY,
            zorder=5,
        )
    return style.to_svg(figure)


def positions(couplers: Sequence[Sequence[int]], n_qubits: int) -> NDArray[float64]:
    """Return a place in the plane for each qubit, neighbours near each other.

    Distances in the plane approximate the numbers of couplers between qubits: classical
    multidimensional scaling (Torgerson, Psychometrika 17, 401, 1952). The longer axis is x.

    Parameters
    ----------
    couplers
        Pairs of qubits.
    n_qubits
        Number of qubits, more than all numbers in `couplers`.

    Returns
    -------
    NDArray[float64]
        Shape ``(n_qubits, 2)``.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import shortest_path

    first, second = np.array(couplers).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n_qubits, n_qubits))
    steps = shortest_path(graph.tocsr(), directed=False, unweighted=True)
    apart = np.isinf(steps)
    steps[apart] = steps[~apart].max() + 1  # parts without a coupler between them
    squares = steps**2
    centred = squares - squares.mean(axis=0) - squares.mean(axis=1)[:, None] + squares.mean()
    values, vectors = np.linalg.eigh(-0.5 * centred)
    axes = vectors[:, [-1, -2]] if n_qubits > 1 else np.zeros((1, 2))
    signs = np.where(axes[np.abs(axes).argmax(axis=0), range(2)] < 0, -1.0, 1.0)
    scales = np.sqrt(np.clip(values[[-1, -2]], 0, None)) if n_qubits > 1 else np.ones(2)
    return np.asarray(axes * signs * scales, dtype=np.float64)
