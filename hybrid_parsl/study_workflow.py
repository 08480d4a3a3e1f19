"""A study: one workflow at every point of a sweep, as one dataflow.

Tasks of a point are named ``POINT.TASK``. A call whose function, arguments and resources are those
of another point's is not made again: points that differ only in ``quantum.shots`` share their
search.
"""

from __future__ import annotations

import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.workflow_calls import CallScope
from hybrid_parsl.errors import HybridParslError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.study_points import Point
    from hybrid_parsl.workflow import Workflow

_MOST_THREADS = 64


class Study:
    """The workflow of every point, called as one.

    A failure to call the workflow of one point does not keep the others from being called.

    Parameters
    ----------
    workflow
        The workflow.
    points
        Where to call it.
    waits
        Whether it waits for results before it returns. Then all points are called at once, each in
        a thread of its own, and share no tasks: which of them is the first is left to chance.
    earlier
        The table that an earlier driver has left: a point has its tasks until it is called.

    Attributes
    ----------
    name
        That of the workflow.
    """

    def __init__(
        self,
        workflow: Workflow,
        points: Sequence[Point],
        *,
        waits: bool,
        earlier: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._workflow = workflow
        self._points = points
        self._waits = waits
        self._scopes = [CallScope(f"{each.name}.", shares=not waits) for each in points]
        self._errors: list[tuple[Point, Exception]] = []
        self._before = {each["name"]: each.get("tasks", {}) for each in earlier.get("points", ())}
        self.name = workflow.name

    def table(self) -> dict[str, Any]:
        """Return the table of ``results.json``: the values and the tasks of each point so far."""
        errors = {point.name: _first_line(error) for point, error in self._errors}
        return {
            "keys": list(self._points[0].values),
            "points": [
                {
                    "name": point.name,
                    "values": point.values,
                    "tasks": scope.tasks or self._before.get(point.name, {}),
                    "error": errors.get(point.name),
                }
                for point, scope in zip(self._points, self._scopes, strict=True)
            ],
        }

    def __call__(self, experiment: Experiment) -> None:
        """Call the workflow of all points.

        Parameters
        ----------
        experiment
            That of the study; each point has its own.

        Raises
        ------
        Exception
            What the workflow of a point raised, the first one; the others are notes.
        """
        del experiment
        waiting = zip(self._points, self._scopes, strict=True)
        if not self._waits:
            for point, scope in waiting:
                self._call(point, scope)
        else:
            self._call_in_threads(waiting)
        if self._errors:
            (point, first), *others = self._errors
            first.add_note(f"at {point.label}")
            for other, error in others:
                first.add_note(f"also at {other.label}: {_first_line(error)}")
            raise first

    def _call_in_threads(self, waiting: Iterator[tuple[Point, CallScope]]) -> None:
        """Call the workflows of all points, many at a time, and wait for them."""
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    following = next(waiting, None)
                if following is None:
                    return
                self._call(*following)

        threads = [
            threading.Thread(target=work, name=f"workflow {self.name}", daemon=True)
            for _ in range(min(_MOST_THREADS, len(self._points)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _call(self, point: Point, scope: CallScope) -> None:
        """Call the workflow at a point."""
        try:
            with scope.entered():
                self._workflow(point.experiment)
        except Exception as error:  # noqa: BLE001 - whatever a user's function raises
            self._errors.append((point, error))


def _first_line(error: Exception) -> str:
    """Return an error in one line."""
    text = str(error) if isinstance(error, HybridParslError) else repr(error)
    return text.partition("\n")[0]
