"""Numbers as a reader wants them: with a true minus sign, a unit, and no false digits."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING = "\N{EM DASH}"
GAMMA = "\N{GREEK SMALL LETTER GAMMA}"
BETA = "\N{GREEK SMALL LETTER BETA}"
PLUS_MINUS = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86_400


def finite(value: object) -> float | None:
    """Return `value` as a float, or None if it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def number(value: object, digits: int = 6) -> str:
    """Return `value` with at most `digits` significant digits; a dash if it is no number."""
    known = finite(value)
    if known is None:
        return NOTHING
    return f"{known:.{digits}g}".replace("-", _MINUS)


def fixed(value: object, places: int) -> str:
    """Return `value` with `places` digits after the point; a dash if it is no number."""
    known = finite(value)
    return NOTHING if known is None else f"{known:.{places}f}".replace("-", _MINUS)


def with_error(value: object, error: object) -> str:
    """Return ``value ± error``, both to the second significant digit of the error."""
    spread = finite(error)
    if spread is None or finite(value) is None:
        return number(value)
    if spread <= 0:
        return f"{number(value)}{PLUS_MINUS}0"
    places = min(max(1 - math.floor(math.log10(spread)), 0), 12)
    return f"{fixed(value, places)}{PLUS_MINUS}{fixed(spread, places)}"


def percent(fraction: object) -> str:
    """Return a fraction from 0 to 1 in per cent, to three significant digits."""
    known = finite(fraction)
    return NOTHING if known is None else f"{number(100 * known, 3)}\N{NO-BREAK SPACE}%"


def count(value: object) -> str:
    """Return a whole number with thin spaces between its thousands."""
    known = finite(value)
    return NOTHING if known is None else f"{known:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def several(value: int, what: str) -> str:
    """Return ``1 rank``, ``2 ranks``."""
    return f"{count(value)} {what}" if value == 1 else f"{count(value)} {what}s"


def measured_with(quantum: Mapping[str, Any]) -> str:
    """Return ``4 096 shots``, ``8 192 shots in 2 bases``; empty without a number of shots."""
    shots, n_bases = finite(quantum.get("shots")), finite(quantum.get("n_bases"))
    if shots is None:
        return ""
    return f"{count(shots)} shots" + (f" in {count(n_bases)} bases" if (n_bases or 0) > 1 else "")


def mitigated_with(mitigation: Mapping[str, Any]) -> str:
    """Return ``28 672 shots in 4.3 s (zne)``; empty without a number of shots."""
    shots = finite(mitigation.get("shots"))
    if shots is None:
        return ""
    seconds, method = duration(mitigation.get("seconds")), mitigation.get("method")
    return f"{count(shots)} shots in {seconds} ({method})"


def duration(seconds: object) -> str:
    """Return a time in seconds as a reader says it: ``0.35 s``, ``3 min 12 s``, ``2 h 05 min``."""
    known = finite(seconds)
    if known is None:
        return NOTHING
    if known < _MINUTE_S:
        return f"{number(known, 3)} s"
    whole = round(known)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02d} s"
    minutes = whole // _MINUTE_S
    if whole < _DAY_S:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes // 60 % 24:02d} h"


def in_largest_unit(seconds: float) -> str:
    """Return a time in seconds, rounded down to its largest unit: ``2 d``, ``3 h``, ``0 s``."""
    for unit, length in (("d", _DAY_S), ("h", _HOUR_S), ("min", _MINUTE_S), ("s", 1)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return "0 s"


def shortened(text: str, length: int = 32) -> str:
    """Return `text` with its middle left out if it is longer than `length`."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}\N{HORIZONTAL ELLIPSIS}{text[-half:]}"


def toml(value: object) -> str:
    """Return a value as TOML writes it, shortened to what a table can hold."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    longest = 400
    return text if len(text) <= longest else f"{text[:longest]} \N{HORIZONTAL ELLIPSIS}"
