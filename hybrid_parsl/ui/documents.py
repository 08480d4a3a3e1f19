"""The results of the runs that are shown, read again only when their files have changed."""

from __future__ import annotations

import functools
import shlex
import threading
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.records.models import Results, read_record
from hybrid_parsl.records.run_directory import RESULTS
from hybrid_parsl.ui.run_index import LARGEST_RESULTS, stamp_of

if TYPE_CHECKING:
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.report.study_table import StudyTable
    from hybrid_parsl.ui.run_index import Stamp

_MOST_KEPT = 8
_MOST_BYTES = 8 * 2**20
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
        from hybrid_parsl.report.study_figure import draw_measure
        from hybrid_parsl.report.study_roles import roles

        table = self.study
        if table is None or measure not in table.measures:
            raise FileNotFoundError("no such figure")
        with _DRAWING:
            if measure not in self._figures:
                draw = functools.partial(draw_measure, table, measure, roles(table))
                self._figures[measure] = attempt(measure, draw)
        return self._figures[measure]


class Documents:
    """The last documents that were asked for: few, and no more than some bytes of files.

    A document takes many times the memory of its file, so of large ones only the last is kept.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Document] = {}
        self._lock = threading.Lock()
        self._reading: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()

    def read(self, directory: RunDirectory) -> Document:
        """Return the results of a run, of which others are not kept waiting.

        Raises
        ------
        ConfigurationError
            If they cannot be read, are damaged or too large, or are on an endpoint.
        """
        path = directory.path / RESULTS
        stamp = stamp_of(path)
        with self._lock:
            reading = self._reading.setdefault(str(path), threading.Lock())
        with reading:
            with self._lock:
                kept = self._kept.get(str(path))
            if kept is None or kept.stamp != stamp:
                kept = Document(stamp, self._read(directory, stamp))
            with self._lock:
                self._keep(str(path), kept)
        return kept

    def _keep(self, path: str, document: Document) -> None:
        """Keep a document as the last one, and as many of those before it as there is room for."""
        self._kept.pop(path, None)
        self._kept[path] = document
        sizes = list(accumulate(_size(each) for each in reversed(self._kept.values())))
        n_kept = max(1, sum(size <= _MOST_BYTES for size in sizes[:_MOST_KEPT]))
        for other in list(self._kept)[:-n_kept]:
            del self._kept[other]

    def _read(self, directory: RunDirectory, stamp: Stamp) -> dict[str, Any]:
        """Read the results of a run."""
        path = directory.path / RESULTS
        if not stamp:
            directory.check_here()
        elif stamp[1] > LARGEST_RESULTS:
            valid = (
                f"at most {_mib(LARGEST_RESULTS)}; larger ones are shown by: "
                f"hybrid-parsl show {shlex.quote(str(directory.path))}"
            )
            message, found = "is larger than what the page reads", _mib(stamp[1])
            raise ConfigurationError(message, str(path), None, found, valid)
        return read_record(path, Results, LARGEST_RESULTS)


def _size(document: Document) -> int:
    """Return the bytes of the file that a document was read from."""
    return document.stamp[1] if document.stamp else 0


def _mib(n_bytes: int) -> str:
    """Return a size in MiB."""
    return f"{n_bytes / 2**20:.1f} MiB"
