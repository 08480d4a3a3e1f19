"""Places the tasks of a run, or kinds of tasks, so that each is right of what it waits for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl.report.sections import tone
from hybrid_parsl.report.text import duration, finite, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_NODES = 40
WIDTH, HEIGHT = 176, 54
_GAP_X, _GAP_Y, _MARGIN = 56, 18, 8
_BOW = 56  # so that an edge passes below the nodes between its ends
_LONGEST_NAME = 19


@dataclass(frozen=True)
class Node:
    """A task, or several of one kind, with the place of its upper left corner in pixels."""

    name: str
    label: str
    detail: str
    tone: str
    x: int
    y: int


@dataclass(frozen=True)
class Graph:
    """The picture of a graph.

    Attributes
    ----------
    nodes
        What is connected.
    edges
        Paths of SVG.
    width, height
        In pixels.
    is_grouped
        Whether a node stands for all tasks of a kind.
    """

    nodes: list[Node]
    edges: list[str]
    width: int
    height: int
    is_grouped: bool


@dataclass(frozen=True)
class _Box:
    """What a node shows, and the names of those that it waits for."""

    detail: str
    tone: str
    after: tuple[str, ...]


def task_graph(document: Mapping[str, Any]) -> Graph | None:
    """Return the graph of a run's tasks; of many, that of their kinds.

    A kind is what a task is called in a point of a study; in other runs, its function. None if
    there is nothing to draw, or too many kinds.

    Parameters
    ----------
    document
        The content of ``results.json``.
    """
    tasks: Mapping[str, Any] = document.get("tasks") or {}
    is_grouped = len(tasks) > MOST_NODES or bool(document.get("study"))
    boxes = _grouped(document) if is_grouped else {k: _box(task) for k, task in tasks.items()}
    if not 0 < len(boxes) <= MOST_NODES:
        return None
    columns = _columns(boxes)
    tallest = max(map(len, columns))
    full = tallest * (HEIGHT + _GAP_Y) - _GAP_Y
    places = {}
    for column, names in enumerate(columns):
        taken = len(names) * (HEIGHT + _GAP_Y) - _GAP_Y
        for row, name in enumerate(names):
            y = _MARGIN + (full - taken) // 2 + row * (HEIGHT + _GAP_Y)
            places[name] = (column, _MARGIN + column * (WIDTH + _GAP_X), y)
    links = [
        (places[before], places[name])
        for name, box in boxes.items()
        for before in box.after
        if before in boxes and places[before][0] < places[name][0]
    ]
    nodes = [
        Node(name, shortened(name, _LONGEST_NAME), box.detail, box.tone, *places[name][1:])
        for name, box in boxes.items()
    ]
    has_bows = any(last[0] - first[0] > 1 for first, last in links)
    width = 2 * _MARGIN + len(columns) * (WIDTH + _GAP_X) - _GAP_X
    height = 2 * _MARGIN + full + (_BOW // 3 if has_bows else 0)
    return Graph(nodes, [_edge(*link) for link in links], width, height, is_grouped)


def _box(task: Mapping[str, Any]) -> _Box:
    """Return what is shown of a task."""
    status = str(task.get("status") or "unknown")
    detail = status
    if task.get("reused_from"):
        detail = "reused"
    elif finite(task.get("duration_s")) is not None:
        detail = f"{status}, {duration(task['duration_s'])}"
    return _Box(detail, task_tone(status), tuple(task.get("after") or ()))


def _grouped(document: Mapping[str, Any]) -> dict[str, _Box]:
    """Return what is shown of each kind of tasks."""
    tasks: Mapping[str, Any] = document.get("tasks") or {}
    points = (document.get("study") or {}).get("points") or []
    kinds = {name: local for each in points for local, name in (each.get("tasks") or {}).items()}
    for name, task in tasks.items():
        kinds.setdefault(name, str(task.get("function") or name).rpartition(":")[2])
    found: dict[str, list[str]] = {}
    for name in tasks:
        found.setdefault(kinds[name], []).append(name)
    boxes = {}
    for kind, names in found.items():
        states = Counter(str(tasks[name].get("status") or "unknown") for name in names)
        after = dict.fromkeys(
            kinds[before]
            for name in names
            for before in tasks[name].get("after") or ()
            if before in kinds and kinds[before] != kind
        )
        worst = next((each for each in ("failed", "running") if each in states), "")
        detail = ", ".join(f"{number} {state}" for state, number in states.most_common(2))
        boxes[kind] = _Box(detail, task_tone(worst or states.most_common(1)[0][0]), tuple(after))
    return boxes


def task_tone(status: object) -> str:
    """Return the tone of a task's status: that of `tone`, or ``active`` if it runs."""
    return "active" if status == "running" else tone(status)


def _columns(boxes: Mapping[str, _Box]) -> list[list[str]]:
    """Return the names in each column: one more than the last of those that a node waits for.

    A node of a circle, which only a damaged file has, is put where the circle was noticed.
    """
    column: dict[str, int] = {}
    for _ in boxes:
        for name, box in boxes.items():
            before = [column.get(each, 0) for each in box.after if each in boxes and each != name]
            column[name] = min(max(before, default=-1) + 1, len(boxes) - 1)
    columns: list[list[str]] = [[] for _ in range(max(column.values()) + 1)]
    place: dict[str, float] = {}
    for name in sorted(boxes, key=column.__getitem__):
        columns[column[name]].append(name)
    columns = [names for names in columns if names]
    for names in columns:
        names.sort(key=lambda name: _middle(boxes[name], place))
        middle = (len(names) - 1) / 2
        place.update({name: row - middle for row, name in enumerate(names)})
    return columns


def _middle(box: _Box, place: Mapping[str, float]) -> float:
    """Return the mean place of those that a node waits for."""
    known = [place[name] for name in box.after if name in place]
    return sum(known) / len(known) if known else 0.0


def _edge(first: tuple[int, int, int], last: tuple[int, int, int]) -> str:
    """Return the path from the right side of one node to the left side of another."""
    x1, y1 = first[1] + WIDTH, first[2] + HEIGHT // 2
    x2, y2 = last[1], last[2] + HEIGHT // 2
    bow = _BOW if last[0] - first[0] > 1 else 0
    reach = _GAP_X // 2
    return f"M{x1} {y1}C{x1 + reach} {y1 + bow} {x2 - reach} {y2 + bow} {x2} {y2}"
