"""A stage function as it travels: by reference, with the project's source files it needs."""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hybrid_parsl.own_code import OwnCode

_PARSL_APPS = "parsl.app.python"
_PARSL_WRAPPERS = ("parsl/app/errors.py", "parsl/app/python.py")
_driver = False
SEARCH = "hybrid_parsl.stages.search:search"
"""The reference of the search: its tasks count their finished starts, and any ranks can do one."""


class StageFunction:
    """A function that is pickled by its module and name, whatever decorates it there.

    A decorator such as Parsl's ``python_app`` leaves another object under the function's name,
    so pickle refuses the function itself. Where the module is a file of the user's project, its
    source and that of what it imports travel with the reference.

    Parameters
    ----------
    function
        The plain function, defined at module level.
    name
        The name of the task, unique within a run.
    code
        The project's files it needs; none for an installed function.
    """

    def __init__(self, function: Callable[..., Any], name: str, code: OwnCode) -> None:
        self._function: Callable[..., Any] | None = function
        self.reference = f"{function.__module__}:{function.__qualname__}"
        self.__name__ = name
        self.__module__ = function.__module__
        self.__qualname__ = function.__qualname__
        self.__doc__ = function.__doc__
        self.code = code

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Call the function."""
        return self.function(*args, **keywords)

    @property
    def function(self) -> Callable[..., Any]:
        """The plain function, imported if need be."""
        if self._function is None:
            self._function = _resolve(self.reference)
        return self._function

    @property
    def __signature__(self) -> inspect.Signature:
        return _signature(self.function)

    def __eq__(self, other: object) -> bool:
        """Return whether both are the same function with the same source; names do not count."""
        if not isinstance(other, StageFunction):
            return NotImplemented
        mine, theirs = self.code.fingerprint, other.code.fingerprint
        return (self.reference, mine) == (other.reference, theirs)

    def __hash__(self) -> int:
        return hash((self.reference, self.code.fingerprint))

    def __reduce__(self) -> tuple[Any, ...]:
        return _load, (self.reference, self.__name__, self.code)


@functools.cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a function, which takes longer to make than to use."""
    return inspect.signature(function)


def stay_in_driver() -> None:
    """Declare that this process has loaded the project itself and needs no copies of its files."""
    global _driver  # noqa: PLW0603 - a property of the process
    _driver = True


def _load(reference: str, name: str, code: OwnCode) -> StageFunction:
    """Return a function that has travelled; the arguments unpickled next may need its modules."""
    if code.files and not _driver:
        code.provide()
    loaded = StageFunction.__new__(StageFunction)
    loaded._function = None  # noqa: SLF001 - of this class
    loaded.reference, loaded.__name__, loaded.code = reference, name, code
    return loaded


def _resolve(reference: str) -> Callable[..., Any]:
    """Import what a reference names, without the decorators around it."""
    module, _, qualname = reference.partition(":")
    return _found(vars(importlib.import_module(module)), qualname)


def _found(namespace: Mapping[str, Any], qualname: str) -> Callable[..., Any]:
    """Return what a name in a module leads to, without the decorators around it."""
    first, *others = qualname.split(".")
    return undecorated(functools.reduce(getattr, others, namespace[first]))


@functools.cache
def is_found_by_name(function: Callable[..., Any]) -> bool:
    """Return whether the module and name of a function lead to it, and not to another one.

    That is looked up in the module that has defined it, which may have been loaded anew since.
    """
    module, qualname = function.__module__, function.__qualname__
    try:
        defined = inspect.unwrap(function)
        if inspect.isfunction(defined) and defined.__globals__.get("__name__") == module:
            return _found(defined.__globals__, qualname) is function
        return _resolve(f"{module}:{qualname}") is function
    except (ImportError, ValueError, KeyError, AttributeError):
        return False


def undecorated(found: Any) -> Callable[..., Any]:
    """Return the function behind an app of Parsl's and its wrappers; other decorators stay.

    One wrapper turns exceptions into return values, another one limits the time. Each has the name
    of the function but is another object, so that pickle cannot send it by name, and unpickling it
    would import Parsl on every rank. Our executors report exceptions themselves and need neither.
    """
    function = vars(found)["func"] if type(found).__module__ == _PARSL_APPS else found
    while _is_wrapper_of_parsl(function):
        function = function.__wrapped__
    return function  # type: ignore[no-any-return]


def _is_wrapper_of_parsl(function: Any) -> bool:
    """Return whether `function` is what Parsl's ``wrap_error`` or ``timeout`` returned."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename.endswith(_PARSL_WRAPPERS)
