"""The call that Parsl hands to an executor, as it has to travel, and the apps that make calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl import labels

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


@dataclass(frozen=True)
class App:
    """What an app declares.

    Attributes
    ----------
    function
        What it calls.
    label
        Where.
    """

    function: Callable[..., Any]
    label: str


def apps_in(module: ModuleType) -> dict[str, App]:
    """Return the Python apps of a module by the names that they have there.

    One that names no label, or several, is said to have the first that it may run on.
    """
    from parsl.app.python import PythonApp

    apps = {}
    for name, value in vars(module).items():
        if isinstance(value, PythonApp):
            allowed = [each for each in labels.ALL if each in value.executors]
            apps[name] = App(plain_function(value.func), allowed[0] if allowed else labels.ANALYSIS)
    return apps


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
