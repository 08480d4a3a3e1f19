"""Where a task runs and its resource request, from its tags."""

from __future__ import annotations

import pickle
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl import labels
from hybrid_parsl.engine.tasks.resource_request import RESOURCE_KEYS, ResourceRequest
from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect import Task

_by_value = threading.Lock()


@dataclass(frozen=True)
class Placement:
    """Where a task runs and what it asks for.

    Attributes
    ----------
    label
        One of `labels.ALL`.
    resources
        What it asks for, in Parsl's words.
    """

    label: str
    resources: dict[str, float]

    @classmethod
    def of(cls, task: Task[..., Any], default: str) -> Placement:
        """Read the tags of a task: a label, and resources such as ``num_ranks=4``.

        Parameters
        ----------
        task
            Its own tags are read, not those of the flow; others than ours are left alone.
        default
            The label of a task whose tags name none.

        Raises
        ------
        ConfigurationError
            If two tags are labels, a resource is no number or does not fit the others, or the
            task is no plain function.
        """
        source = f"task {task.name}"
        if task.isasync or task.isgenerator:
            message = "only a plain function can run on a site"
            found = "a generator" if task.isgenerator else "a coroutine function"
            raise ConfigurationError(message, source, None, found)
        named = [label for label in labels.ALL if label in task.tags]
        if len(named) > 1:
            message = "runs in one place only"
            raise ConfigurationError(message, source, "tags", ", ".join(named), "one of them")
        pairs = [tag.partition("=") for tag in sorted(task.tags)]
        asked = {key: _number(value) for key, _, value in pairs if key in RESOURCE_KEYS}
        try:
            ResourceRequest.from_parsl(asked)
        except ConfigurationError as error:
            raise ConfigurationError(
                error.message, source, f"tags: {error.key}", error.found, error.valid
            ) from error
        return cls(named[0] if named else default, asked)


class Sent:
    """A function that travels by value if the other side cannot import it by its name.

    A function that was made a task where it is defined is not what its module has under its
    name. It is sent as it is, with all of its own module that it uses; the other side needs
    cloudpickle, but neither that module nor Prefect.

    Parameters
    ----------
    function
        A plain function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        name = getattr(function, "__name__", "")
        self.__name__ = name if name.isidentifier() else "task"
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self._function(*args, **kwargs)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[bytes]]:
        return pickle.loads, (_payload(self._function),)


def _payload(function: Callable[..., Any]) -> bytes:
    """Return a pickle of `function` that needs nothing of its module.

    Only what tasks of that module share is by value; other modules are imported by name.
    """
    import cloudpickle

    module = sys.modules.get(function.__module__)
    with _by_value:
        known = module is None or module.__name__ in cloudpickle.list_registry_pickle_by_value()
        if not known:
            cloudpickle.register_pickle_by_value(module)
        try:
            return bytes(cloudpickle.dumps(function))
        finally:
            if not known:
                cloudpickle.unregister_pickle_by_value(module)


def portable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what to send to have `function` called elsewhere: itself if its name is enough."""
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return function if found is function and function.__module__ != "__main__" else Sent(function)


def _number(text: str) -> Any:
    """Return the number that `text` is, or the text."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text
