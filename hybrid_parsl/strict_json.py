"""Reads JSON that may be damaged or hostile: one error for all that can be wrong with it."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

LARGEST_BYTES = 256 * 2**20
_DEEPEST = 64
_NOT_ZERO = re.compile(r"-?[0.]*[1-9]")
_LONGEST_INTEGER = 20  # characters of -2^63 and of 2^64 - 1


def parse_json(data: bytes | str, most: int = LARGEST_BYTES) -> Any:
    """Return the value of a JSON text.

    Parameters
    ----------
    data
        The text, in UTF-8 if it is bytes.
    most
        Bytes or characters that it may have.

    Raises
    ------
    ValueError
        If it is too long, is not JSON in UTF-8, is nested more than 64 levels deep, or holds a
        number that is not finite (NaN, Infinity, 1e999), one that underflows to 0 (1e-400) or a
        whole number of more than 64 bits.
    """
    if len(data) > most:
        message = f"has {len(data)} bytes, more than {most}"
        raise ValueError(message)
    try:
        value = json.loads(data, parse_constant=_refuse, parse_float=_finite, parse_int=_integer)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    _check_depth(value)
    return value


_TOO_DEEP = f"is nested more than {_DEEPEST} levels deep"


def _refuse(word: str) -> NoReturn:
    """Refuse a word that stands for no finite number."""
    message = f"holds {word}, which is not a finite number"
    raise ValueError(message)


def _finite(text: str) -> float:
    """Return the number that `text` is, if it is finite and does not underflow."""
    value = float(text)
    if not math.isfinite(value):
        _refuse(text[:40])
    if value == 0 and _NOT_ZERO.match(text):
        message = f"holds {text[:40]}, which is 0 in double precision"
        raise ValueError(message)
    return value


def _integer(text: str) -> int:
    """Return the whole number that `text` is, if it has 64 bits."""
    value = int(text) if len(text) <= _LONGEST_INTEGER else 0
    if len(text) > _LONGEST_INTEGER or not -(2**63) <= value < 2**64:
        message = f"holds {text[:40]}, which has more than 64 bits"
        raise ValueError(message)
    return value


def _check_depth(value: Any) -> None:
    """Refuse a value that is nested too deeply for what works on it recursively."""
    level: list[Any] = [[value]]
    for _ in range(_DEEPEST + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ValueError(_TOO_DEEP)
