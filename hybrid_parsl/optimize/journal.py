"""The finished starts of a search on disk, so that a search that was killed can go on."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from hybrid_parsl.errors import StorageError
from hybrid_parsl.optimize.start import Start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_PATTERN = "starts-*.jsonl"


class Journal:
    """JSON lines, one a finished start, in one file a rank.

    Parameters
    ----------
    folder
        Where the files are, or None to keep nothing.
    key
        Fingerprint of the search; lines of another search are passed over.
    tell
        Called with the name of a file and each line for it, where lines are wanted elsewhere as
        well. Only a start that is the best so far has its parameters and its trace there: what
        another try needs, in a tenth of the bytes.
    """

    def __init__(
        self, folder: Path | None, key: str, tell: Callable[[str, str], None] | None = None
    ) -> None:
        self._folder = folder
        self._key = key
        self._tell = tell
        self._best = (math.inf, 0)

    def read(self) -> dict[int, Start]:
        """Return the finished starts by index; a line that was cut short is passed over.

        So are starts without parameters that are better than all that have theirs: the best of
        them would be a result without an answer.
        """
        if self._folder is None:
            return {}
        found: dict[int, Start] = {}
        for path in sorted(self._folder.glob(_PATTERN)):
            with path.open("rb") as lines:
                for start in parse_lines(lines, self._key):
                    if start.parameters or start.index not in found:
                        found[start.index] = start
        whole = [start.order for start in found.values() if start.parameters]
        best = min(whole, default=(math.inf, math.inf))
        return {index: start for index, start in found.items() if start.order >= best}

    def append(self, rank: int, starts: Iterable[Start]) -> None:
        """Add finished starts to the file of `rank`.

        Each call is one write, so a rank that is killed loses at most its last call; the line
        break comes first, so that a line cut short by an earlier kill ends here.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        if self._folder is None:
            return
        starts = list(starts)
        path = self._folder / _PATTERN.replace("*", f"{rank:05d}")
        text = "".join(f"\n{self._line(start)}" for start in starts)
        try:
            with path.open("ab") as file:
                file.write(f"{text}\n".encode())
        except OSError as error:
            raise StorageError(str(path), error.strerror or str(error)) from error
        if self._tell is not None:
            for start in starts:
                self._tell(path.name, self._line(self._brief(start)))

    def _line(self, start: Start) -> str:
        """Return the line that holds a start."""
        return f'{{"search":"{self._key}",{start.to_json()[1:]}'

    def _brief(self, start: Start) -> Start:
        """Return a start with what another try may need of it."""
        if start.order > self._best:
            return start.summary()
        self._best = start.order
        return start


def parse_lines(lines: Iterable[bytes], key: str | None = None) -> Iterator[Start]:
    """Yield the starts in `lines` of the search `key` (of any search if None)."""
    for line in lines:
        try:
            values = json.loads(line)
            if key not in (values.pop("search"), None):
                continue
            start = Start.from_json(values)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            continue
        if start.index >= 0 and start.energy > -math.inf:  # nor is NaN an energy
            yield start
