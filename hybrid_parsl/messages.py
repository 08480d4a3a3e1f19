"""How a wrong value is shown in an error, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_SHOWN = 120
"""Characters of a value that an error shows."""
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
"""Control characters but for line break and tabulator, and those that change the direction."""


def shown(value: object) -> str:
    """Return `value` as short text for a message."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # thousands of digits, or of levels
        text = f"{type(value).__name__} too large to show"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """Return the word of `valid` that `word` was probably meant to be."""
    matches = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.6)
    return matches[0] if matches else None


def printable(key: str) -> str:
    """Return `key` as it is if it fits a message, else as `shown` has it."""
    return key if key.isprintable() and len(key) <= LONGEST_SHOWN else shown(key)


def escape_controls(text: str) -> str:
    r"""Return `text` with its control characters as text, such as ``\x1b``.

    A message may quote a scheduler, an endpoint, a file name or an exception: it cannot be allowed
    to move the cursor, to change the title of the terminal or to hide what stands beside it.
    """
    return _INVISIBLE.sub(lambda match: ascii(match[0])[1:-1], text)
