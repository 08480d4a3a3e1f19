"""The lines of an instance file, and the numbers in them."""

from __future__ import annotations

import contextlib
import re
from typing import NamedTuple

from hybrid_parsl.messages import shown
from hybrid_parsl.problems.instances.instance import InstanceError, Row
from hybrid_parsl.problems.settings import MOST_QUBITS, VALID_COEFFICIENT

_MOST_LINES = 2 * MOST_QUBITS**2  # a full matrix, an entry a line, and headers
_NOT_ZERO = re.compile(r"[^1-9eE]*[1-9]")
_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")


class Line(NamedTuple):
    """A line that is neither empty nor a comment."""

    number: int
    words: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where it is."""
        return f"line {self.number}"

    @property
    def text(self) -> str:
        """What it says, for a message."""
        return shown(" ".join(self.words))

    def row(self) -> Row:
        """Return the line as a row of numbers.

        Raises
        ------
        InstanceError
            If a word is not a number.
        """
        return Row(self.place, self.numbers())

    def numbers(self) -> tuple[int | float, ...]:
        """Return the numbers of the line.

        Raises
        ------
        InstanceError
            If a word is not a number.
        """
        try:
            return tuple(number(word) for word in self.words)
        except ValueError as error:
            raise InstanceError(str(error), self.place, self.text) from error

    def counts(self, skipped: int = 0) -> tuple[int, ...]:
        """Return the whole numbers of a header after `skipped` words; the first is at least 1.

        Raises
        ------
        InstanceError
            If a word is not a whole number of at least 0, or the first one is 0.
        """
        counts = Line(self.number, self.words[skipped:]).numbers()
        whole = tuple(each for each in counts if isinstance(each, int) and each >= 0)
        if len(whole) != len(counts) or not whole or not whole[0]:
            message = "is not a header of whole numbers, the first at least 1"
            raise InstanceError(message, self.place, self.text)
        return whole


def content_lines(text: str, comment: str = "#") -> list[Line]:
    """Return the lines that hold something; the rest of a line after `comment` is left out.

    Words stand apart by blanks, commas or semicolons.

    Raises
    ------
    InstanceError
        If there are more lines than an instance that can be simulated has.
    """
    lines = []
    for index, line in enumerate(text.split("\n"), start=1):
        content = line.partition(comment)[0].strip()
        if content:
            lines.append(Line(index, tuple(_SEPARATOR.split(content))))
        if len(lines) > _MOST_LINES or (lines and len(lines[-1].words) > _MOST_LINES):
            found, valid = (
                f"more than {_MOST_LINES} lines or columns",
                f"at most {MOST_QUBITS} nodes",
            )
            raise InstanceError("is larger than any simulation of a state", "", found, valid)
    return lines


def number(word: str) -> int | float:
    """Return the number that `word` writes in plain decimal digits.

    Raises
    ------
    ValueError
        If it is not a number: Python's own forms, such as ``1_000``, are not the field's. Or it is
        nonzero and underflows to 0 in double precision.
    """
    if not word.isascii() or "_" in word:
        raise ValueError(f"{shown(word)} is not a number")
    with contextlib.suppress(ValueError):
        return int(word)
    return decimal(word)


def decimal(word: str) -> float:
    """Return the number that `word` writes; one that underflows to 0 is refused.

    Raises
    ------
    ValueError
        If it is not a number, or underflows.
    """
    try:
        value = float(word)
    except ValueError as error:
        raise ValueError(f"{shown(word)} is not a number") from error
    if value == 0 and _NOT_ZERO.match(word):
        raise ValueError(f"{shown(word)} is too small: should be {VALID_COEFFICIENT}")
    return value


def is_number(word: str) -> bool:
    """Return whether `word` writes a number, whether or not it is in the valid range."""
    try:
        float(word)
    except ValueError:
        return False
    return word.isascii() and "_" not in word


def check_count(announced: int, rows: list[Row], place: str, what: str) -> None:
    """Refuse a file that holds more or fewer rows than its header announces.

    Raises
    ------
    InstanceError
        If the numbers differ.
    """
    if announced != len(rows):
        message = f"announces {announced} {what}, but the file holds {len(rows)}"
        raise InstanceError(message, place)
