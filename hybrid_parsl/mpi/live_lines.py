"""Lines that a rank sends to the driver through its log, where there is no shared file system.

On a cluster whose nodes share no folder with the driver, its executor reads such lines from the
log of the job and adds them to the file of that name in the task's folder; see
`hybrid_parsl.psij_kubernetes.options.JobOptions.lines`.
"""

from __future__ import annotations

import contextlib
import os
import zlib

_VARIABLE = "PSIJ_LOG_MARK"
_LONGEST = 4096
"""Bytes of a whole line at most: what a pipe takes in one piece."""
_BUDGET = 2**20
"""Bytes that all ranks of a task may send: nodes keep some 10 MiB of a log."""


class LiveLines:
    """Lines from one rank.

    Parameters
    ----------
    n_ranks
        Number of ranks that share the limit; at least 1.
    """

    def __init__(self, n_ranks: int) -> None:
        self._mark = os.environ.get(_VARIABLE)
        self._left = _BUDGET // n_ranks

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens."""
        return self._mark is not None

    def tell(self, name: str, line: str) -> None:
        """Send a line of the file `name`; dropped where no driver reads it, or beyond the limit.

        The form is that of `hybrid_parsl.psij_kubernetes.log_protocol`.

        Parameters
        ----------
        name
            A file's name, without a space.
        line
            What it holds, without a line break.
        """
        if self._mark is None:
            return
        content = f"{name} {line}".encode()
        head = f"\x1d{self._mark}{len(content)} {zlib.crc32(content):08x} ".encode()
        data = head + content + b"\n"
        if len(data) > min(_LONGEST, self._left):
            return
        self._left -= len(data)
        with contextlib.suppress(OSError):
            os.write(1, data)
