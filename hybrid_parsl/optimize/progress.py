"""How far a running search has come, read from its journal while the ranks write it."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from hybrid_parsl.optimize.journal import parse_lines

if TYPE_CHECKING:
    from pathlib import Path

_RANKS = "ranks.json"


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
    n_starts
        As given.
    n_done
        Number of starts that are finished.
    best_energy
        Lowest energy so far; infinity before the first.
    """

    def __init__(self, folder: Path, n_starts: int) -> None:
        self._folder = folder
        self.n_starts = n_starts
        self._read: dict[Path, int] = {}
        self._began: float | None = None
        self._ranks_began: float | None = None
        self._n_before = 0
        self.n_done = 0
        self.best_energy = math.inf

    @property
    def n_new(self) -> int:
        """How many of the finished starts belong to this try.

        A try begins with its ranks; one that had begun before counts from the first update.
        """
        return self.n_done - self._n_before

    def counted(self, of: str = "/") -> str:
        """Return how many starts are finished, ``30/64 starts``, with `of` between the numbers."""
        return f"{self.n_done}{of}{self.n_starts} starts"

    def words(self, of: str = "/") -> str:
        """Return how far the search has come; without an energy before the first start."""
        energy = f", best energy {self.best_energy:.6g}" if self.n_done else ""
        return f"{self.counted(of)}{energy}"

    def starts_per_s(self, duration_s: float | None = None) -> float:
        """Return how many starts a second this try has finished, after the first update.

        Parameters
        ----------
        duration_s
            How long it took in seconds, if it has ended.
        """
        seconds = time.time() - (self._began or 0.0) if duration_s is None else duration_s
        return self.n_new / seconds if seconds > 0 else 0.0

    def update(self) -> None:
        """Read what has been written since the last update."""
        try:
            ranks_began = (self._folder / _RANKS).stat().st_mtime
        except OSError:
            ranks_began = None
        is_first = self._began is None
        if ranks_began is not None and ranks_began != self._ranks_began:
            self._n_before, self._began = self.n_done, ranks_began
            self._ranks_began = ranks_began
        self._read_on()
        if is_first:
            self._n_before, self._began = self.n_done, time.time()

    def _read_on(self) -> None:
        """Read the lines that are new."""
        for path in self._folder.glob("starts-*.jsonl"):
            if not path.is_file():
                continue
            offset = self._read.get(path, 0)
            with path.open("rb") as file:
                file.seek(offset)
                whole = file.read().rpartition(b"\n")[0]
            for start in parse_lines(whole.split(b"\n")):
                if start.index < self.n_starts:
                    self.n_done = min(self.n_done + 1, self.n_starts)
                    self.best_energy = min(self.best_energy, start.total)
            self._read[path] = offset + len(whole)
