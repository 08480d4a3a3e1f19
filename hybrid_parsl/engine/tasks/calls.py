"""The function that Parsl hands to an executor, as it has to travel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind Parsl's wrapper that turns exceptions into return values.

    The wrapper has the name of the function but is another object, so that pickle cannot send
    it by name, and unpickling it would import Parsl on every rank. Our executors report
    exceptions themselves and do not need it.
    """
    from parsl.app import errors

    code = getattr(function, "__code__", None)
    inner = getattr(function, "__wrapped__", None)
    if inner is not None and code is not None and code.co_filename == errors.__file__:
        return plain_function(inner)
    return function
