"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What became of one check.

    Attributes
    ----------
    check
        What was looked at, in a word or two.
    state
        ``ok``, ``wrong``, or ``skipped``: not looked at because something before it is wrong.
    message
        What was found.
    advice
        What to do about it; empty if nothing is to be done.
    """

    check: str
    state: Literal["ok", "wrong", "skipped"]
    message: str
    advice: str = ""


def ok(check: str, message: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check, "ok", message)


def wrong(check: str, message: str, advice: str) -> Finding:
    """Return a finding that has to be fixed."""
    return Finding(check, "wrong", message, advice)


def skipped(check: str, message: str) -> Finding:
    """Return a finding that says why a check was skipped."""
    return Finding(check, "skipped", message)
