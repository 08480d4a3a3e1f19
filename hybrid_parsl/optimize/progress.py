"""How far a running search has come, read from its journal while the ranks write it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hybrid_parsl.optimize.journal import parse_lines

if TYPE_CHECKING:
    from pathlib import Path


class SearchProgress:
    """Follows the journal of one search.

    Parameters
    ----------
    folder
        Where the journal is going to be.
    n_starts
        Number of starts of the search: an earlier try may have been asked for more.

    Attributes
    ----------
    n_done
        Number of starts that are finished.
    best_energy
        Lowest energy so far; infinity before the first.
    """

    def __init__(self, folder: Path, n_starts: int) -> None:
        self._folder = folder
        self._n_starts = n_starts
        self._read: dict[Path, int] = {}
        self.n_done = 0
        self.best_energy = math.inf

    def update(self) -> None:
        """Read what has been written since the last update."""
        for path in self._folder.glob("starts-*.jsonl"):
            if not path.is_file():
                continue
            offset = self._read.get(path, 0)
            with path.open("rb") as file:
                file.seek(offset)
                whole = file.read().rpartition(b"\n")[0]
            for start in parse_lines(whole.split(b"\n")):
                if start.index < self._n_starts:
                    self.n_done = min(self.n_done + 1, self._n_starts)
                    self.best_energy = min(self.best_energy, start.energy)
            self._read[path] = offset + len(whole)
