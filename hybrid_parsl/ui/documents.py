"""The results of the runs that are shown, read again only when their files have changed."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.records.models import Results, read_record
from hybrid_parsl.records.run_directory import RESULTS
from hybrid_parsl.ui.run_index import LARGEST_RESULTS, stamp_of

if TYPE_CHECKING:
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.report.study_table import StudyTable
    from hybrid_parsl.ui.run_index import Stamp

_MOST_KEPT = 8
_DRAWING = threading.Lock()  # matplotlib draws on one thread at a time


@dataclass(frozen=True, eq=False)
class Document:
    """The content of a ``results.json``.

    Attributes
    ----------
    stamp
        What changes when the file does.
    content
        What is in it.
    """

    stamp: Stamp
    content: dict[str, Any]
    _figures: dict[str, str] = field(default_factory=dict)

    @functools.cached_property
    def study(self) -> StudyTable | None:
        """The table of a study; None for other runs."""
        from hybrid_parsl.report.study_table import study_table

        return study_table(self.content) if self.content.get("study") else None

    def study_figure(self, measure: str) -> str:
        """Return the figure of a measure of a study as SVG text, drawn once.

        Raises
        ------
        FileNotFoundError
            If the study has no such measure.
        """
        from hybrid_parsl.report.figures import attempt
        from hybrid_parsl.report.study_figure import draw_measure, roles

        table = self.study
        if table is None or measure not in table.measures:
            raise FileNotFoundError("no such figure")
        with _DRAWING:
            if measure not in self._figures:
                draw = functools.partial(draw_measure, table, measure, roles(table))
                self._figures[measure] = attempt(measure, draw)
        return self._figures[measure]


class Documents:
    """The last documents that were asked for."""

    def __init__(self) -> None:
        self._kept: dict[str, Document] = {}
        self._lock = threading.Lock()

    def read(self, directory: RunDirectory) -> Document:
        """Return the results of a run.

        Raises
        ------
        ConfigurationError
            If they cannot be read, are damaged or too large, or are on an endpoint.
        """
        path = directory.path / RESULTS
        stamp = stamp_of(path)
        with self._lock:
            kept = self._kept.pop(str(path), None)
            if kept is None or kept.stamp != stamp:
                kept = Document(stamp, self._read(directory, stamp))
            self._kept[str(path)] = kept
            if len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return kept

    def _read(self, directory: RunDirectory, stamp: Stamp) -> dict[str, Any]:
        """Read the results of a run."""
        path = directory.path / RESULTS
        if not stamp:
            directory.check_here()
        elif stamp[1] > LARGEST_RESULTS:
            message = f"has {stamp[1]} bytes, and the page reads at most {LARGEST_RESULTS}"
            raise ConfigurationError(message, str(path), valid="hybrid-parsl show, and report.html")
        return read_record(path, Results, LARGEST_RESULTS)
