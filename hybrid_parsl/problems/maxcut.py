"""MaxCut: colour the nodes of a graph so that as much weight as possible is between colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Seed  # noqa: TC001 - pydantic reads it at run time
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.graph import (
    check_edges,
    random_edges,
    random_regular_edges,
)
from hybrid_parsl.problems.instances.reading import read_instance
from hybrid_parsl.problems.ising_form import IsingForm
from hybrid_parsl.problems.ising_problem import IsingProblem
from hybrid_parsl.problems.settings import (
    MOST_QUBITS,
    VALID_COEFFICIENT,
    Coefficient,
    ProblemSettings,
    is_coefficient,
    refuse_file_keys,
    refuse_unread_file,
    without_file_keys,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

_EDGES = "problem.edges"
_RANGE = "problem.weight_range"
_LARGEST_WHOLE = 2**53  # of any larger number, not every neighbour is a double
_DEGREE = 3
_WEIGHT_STREAM = 1


class MaxCutSettings(ProblemSettings):
    """The keys of a MaxCut problem.

    At most one of `degree`, `edge_probability` and `edges` says which graph; without any the
    graph is 3-regular.

    Attributes
    ----------
    nodes
        Number of nodes, 2 to 40; with `edges` it may be left out.
    degree
        Draw a graph in which each node has this many neighbours, 1 to ``nodes - 1``.
    edge_probability
        Draw a graph in which each edge is there with this probability, above 0, at most 1.
    edges
        An instance file, or a list of ``[i, j]`` or ``[i, j, weight]``, nodes from 0.
    format
        The format of the file, ``auto`` if left out.
    first_node
        Number of the first node in the file, 0 or 1, where its format leaves that open.
    seed
        Seed of the graph and of the weights.
    weights
        How an edge that states no weight gets one: ``unit`` (1), ``integer`` or ``uniform``
        (drawn from `weight_range`).
    weight_range
        Lowest and highest weight; ``[1, 10]`` for integer and ``[0, 1]`` for uniform weights
        if left out. Unit weights leave it aside.
    """

    nodes: Annotated[int, Field(ge=2, le=MOST_QUBITS)] | None = None
    degree: Annotated[int, Field(ge=1)] | None = None
    edge_probability: Annotated[float, Field(gt=0, le=1)] | None = None
    edges: str | list[Any] | None = None
    format: str | None = None
    first_node: int | None = None
    seed: Seed = 0
    weights: Literal["unit", "integer", "uniform"] = "unit"
    weight_range: list[Coefficient] | None = None

    @field_validator("edges", mode="before")
    @classmethod
    def _file_or_list(cls, value: Any) -> Any:
        """Refuse what is neither a file name nor a list."""
        if value is not None and not isinstance(value, str | list):
            valid = "a file name, or a list of [i, j] or [i, j, weight]"
            raise ConfigurationError("should be edges", None, _EDGES, shown(value), valid)
        return value

    @model_validator(mode="after")
    def _one_graph(self) -> Self:
        """Refuse two graphs at once, and graphs that cannot be."""
        names = ("degree", "edge_probability", "edges")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            message = "says more than once which graph it is"
            valid = "only one of degree, edge_probability and edges"
            raise ConfigurationError(message, None, "problem", ", ".join(given), valid)
        if not isinstance(self.edges, str):
            refuse_file_keys(self, _EDGES)
        if self.edges is None:
            _check_random(self.nodes, None if self.edge_probability else self.degree or _DEGREE)
        return self

    @field_validator("weight_range", mode="before")
    @classmethod
    def _two_numbers(cls, value: Any) -> Any:
        """Refuse what is not the lowest and the highest of something."""
        if value is None:
            return value
        pair = isinstance(value, list) and len(value) == 2  # noqa: PLR2004
        if not pair or not all(is_coefficient(each) for each in value) or value[0] > value[1]:
            valid = f"[lowest, highest], two numbers: {VALID_COEFFICIENT}"
            raise ConfigurationError("is not a range", None, _RANGE, shown(value), valid)
        return value

    @model_validator(mode="after")
    def _range(self) -> Self:
        """Refuse a range of weights that nothing is drawn from.

        That is, where it is left out how: whoever asks for unit weights knows.
        """
        if self.weight_range is None:
            return self
        found = shown(self.weight_range)
        if "weights" not in self.model_fields_set:
            message = "says nothing without weights, which are all 1 if left out"
            valid = "weights = 'integer' or 'uniform' beside it"
            raise ConfigurationError(message, None, _RANGE, found, valid)
        if self.weights == "integer" and not all(_is_whole(each) for each in self.weight_range):
            message = "does not fit weights = 'integer'"
            valid = f"two whole numbers from -{_LARGEST_WHOLE} to {_LARGEST_WHOLE}"
            raise ConfigurationError(message, None, _RANGE, found, valid)
        return self


class MaxCut(IsingProblem):
    """MaxCut on a weighted graph; the energy of a bitstring is minus the weight of its cut.

    ``C = sum_(i,j) w_ij (z_i z_j - 1) / 2`` (Farhi, Goldstone & Gutmann, arXiv:1411.4028,
    section II, with the sign of a cost to be minimised).

    Parameters
    ----------
    settings
        Which graph.

    Attributes
    ----------
    edges
        ``(i, j, weight)`` of each edge.

    Raises
    ------
    ConfigurationError
        If an edge is not valid, or there is none.
    """

    Settings: ClassVar[type[BaseModel]] = MaxCutSettings
    size_keys: ClassVar[tuple[str, ...]] = ("nodes", "edges")

    def __init__(self, settings: MaxCutSettings) -> None:
        nodes, self.edges = _graph(settings)
        weights = np.array([weight for _, _, weight in self.edges])
        pairs = np.array([edge[:2] for edge in self.edges], dtype=np.int64)
        half = weights / 2
        super().__init__(IsingForm(nodes, np.zeros(nodes), pairs, half, -float(half.sum())))

    @classmethod
    def embed(cls, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Return `settings` with the edges of the file they name, relative to `folder`.

        Raises
        ------
        ConfigurationError
            If the file cannot be read, or a line of it is not an edge.
        """
        if not isinstance(settings.get("edges"), str):
            return settings
        reading, read_from = read_instance(folder, settings, _EDGES, "graph")
        rows = [[part for part in edge if part is not None] for edge in reading.edges]
        found = {**settings, "edges": rows, "read_from": read_from}
        if reading.nodes > 1 + max(edge.j for edge in reading.edges):
            found.setdefault("nodes", reading.nodes)
        return without_file_keys(found)


def _is_whole(number: float) -> bool:
    """Return whether a weight may be a bound of whole numbers."""
    return float(number).is_integer() and abs(number) <= _LARGEST_WHOLE


def _check_random(nodes: int | None, degree: int | None) -> None:
    """Refuse a random graph without nodes, and a regular one that cannot be."""
    if nodes is None:
        valid = f"2 to {MOST_QUBITS}"
        raise ConfigurationError("missing", None, "problem.nodes", None, valid)
    if degree is None:
        return
    key = "problem.degree"
    if degree >= nodes:
        message = f"a node of {nodes} has fewer neighbours"
        raise ConfigurationError(message, None, key, str(degree), f"1 to {nodes - 1}")
    if nodes * degree % 2:
        message = f"no graph of {nodes} nodes is {degree}-regular: nodes * degree is odd"
        raise ConfigurationError(message, None, key, str(degree), "an even number, or more nodes")


def _graph(settings: MaxCutSettings) -> tuple[int, list[tuple[int, int, float]]]:
    """Return the number of nodes and the weighted edges that `settings` describe."""
    if isinstance(settings.edges, str):
        refuse_unread_file(_EDGES, settings.edges)
    if settings.edges is not None:
        edges = check_edges(settings.edges, _EDGES, settings.nodes or MOST_QUBITS)
        pairs = [(edge.i, edge.j) for edge in edges]
        stated = [edge.weight for edge in edges]
        nodes = settings.nodes or 1 + max(edge.j for edge in edges)
    else:
        nodes = settings.nodes or 0
        pairs = _random_pairs(settings, nodes)
        stated = [None] * len(pairs)
    drawn = _drawn_weights(settings, len(pairs))
    weights = [own if weight is None else weight for weight, own in zip(stated, drawn, strict=True)]
    return nodes, [(i, j, weight) for (i, j), weight in zip(pairs, weights, strict=True)]


def _random_pairs(settings: MaxCutSettings, nodes: int) -> list[tuple[int, int]]:
    """Draw the edges of a random graph."""
    if settings.edge_probability is None:
        return random_regular_edges(nodes, settings.degree or _DEGREE, settings.seed)
    pairs = random_edges(nodes, settings.edge_probability, settings.seed)
    if not pairs:
        message = f"this graph of {nodes} nodes has no edge"
        found = f"edge_probability = {settings.edge_probability}, seed = {settings.seed}"
        valid = "a higher probability, or another seed"
        raise ConfigurationError(message, None, "problem.edge_probability", found, valid)
    return pairs


def _drawn_weights(settings: MaxCutSettings, count: int) -> list[float]:
    """Return `count` weights as ``settings.weights`` says."""
    if settings.weights == "unit":
        return [1.0] * count
    generator = np.random.default_rng([settings.seed, _WEIGHT_STREAM])
    if settings.weights == "integer":
        low, high = settings.weight_range or (1, 10)
        return [float(w) for w in generator.integers(int(low), int(high), count, endpoint=True)]
    low, high = settings.weight_range or (0.0, 1.0)
    return [low + (high - low) * float(part) for part in generator.random(count)]
