"""Values in a form that is the same in every process, for fingerprints.

A pickle is not: it depends on which objects are shared, and holds no source of a class.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import fields, is_dataclass
from enum import Enum, Flag
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hybrid_parsl.own_code import OwnCode, class_fingerprint
from hybrid_parsl.plugins import source_fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

_SEEDS = {"seed", "rng", "random_state"}
"""Names under which None means that random numbers differ each time."""


class NotReusableError(ValueError):
    """A call has no fingerprint; it is carried out. Users never see this error."""


class CanonicalForm:
    """Turns values into what JSON holds, such that different values differ.

    The order of dicts and the memory order of arrays count: sums may depend on them. Values that
    stand for something else (a path, an open file, a generator of random numbers, a function) have
    no form, nor do those that hold more than their form would (a subclass of bytes).
    """

    def of(self, value: Any) -> Any:
        """Return the form of `value`.

        Raises
        ------
        NotReusableError
            If it has none, or holds a seed that is None.
        """
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return {"float": value.hex()}
        if kind in (list, tuple):
            return {kind.__name__: [self.of(each) for each in value]}
        if kind in (set, frozenset):
            return {kind.__name__: sorted(json.dumps(self.of(each)) for each in value)}
        if kind is dict:
            return {"dict": self._items(value.items())}
        return self.of_object(value)

    def of_object(self, value: Any) -> Any:
        """Return the form of an object that is no container of Python's own.

        Raises
        ------
        NotReusableError
            If it has none.
        """
        if isinstance(value, OwnCode):
            return {"code": value.fingerprint}
        if type(value) in (bytes, complex):
            return {type(value).__name__: repr(value)}
        if isinstance(value, Enum):
            named = value.value if isinstance(value, Flag) else value.name  # not all flags have one
            return {**self._class(type(value)), "name": named}
        if type(value).__module__ == "numpy":
            return self._of_numpy(value)
        if isinstance(value, BaseModel):
            return self.of_model(value)
        if is_dataclass(value) and not isinstance(value, type):
            held = {field.name: getattr(value, field.name) for field in fields(value)}
            held |= _attributes(value)
            return {**self._class(type(value)), "fields": self._items(held.items())}
        message = f"a {type(value).__qualname__} has no canonical form"
        raise NotReusableError(message)

    def of_model(self, value: BaseModel) -> Any:
        """Return the form of a model, with its private attributes."""
        held = _attributes(value)
        held.pop("__pydantic_fields_set__")  # a field that was given may have its default
        return {**self._class(type(value)), "fields": self._items(held.items())}

    def _items(self, items: Iterable[tuple[Any, Any]]) -> list[Any]:
        """Return the form of pairs of a name and a value."""
        pairs = list(items)
        check_seeds({name: value for name, value in pairs if isinstance(name, str)})
        return [[self.of(name), self.of(value)] for name, value in pairs]

    def _class(self, kind: type) -> dict[str, str]:
        """Return what identifies a class."""
        reference = f"{kind.__module__}:{kind.__qualname__}"
        source = class_fingerprint(kind) or source_fingerprint(kind)
        return {"class": reference, "source": source}

    def _of_numpy(self, value: Any) -> Any:
        """Return the form of an array or a number of NumPy's."""
        import numpy as np

        is_array = type(value) in (np.ndarray, np.matrix)  # others may hold more, as a memmap does
        if not (is_array or isinstance(value, np.generic)) or _holds_objects(value.dtype):
            message = f"a {type(value).__qualname__} of NumPy's has no canonical form"
            raise NotReusableError(message)
        digest = hashlib.sha256(value.tobytes()).hexdigest()
        order = "F" if value.flags.fnc else "C"  # as a pickle keeps it
        kind = type(value).__name__
        return {kind: [repr(value.dtype), list(value.shape), order, digest]}


def _attributes(value: Any) -> dict[str, Any]:
    """Return all attributes of an object, those in slots too.

    Raises
    ------
    NotReusableError
        If a class that is not written in Python, such as dict, holds more of it.
    """
    for base in type(value).__mro__:
        if inspect.isbuiltin(vars(base).get("__new__")) and _is_larger(base):
            message = f"a {type(value).__qualname__} holds what a {base.__qualname__} holds"
            raise NotReusableError(message)
    state = object.__getstate__(value)
    parts = state if isinstance(state, tuple) else (state,)
    return {name: each for part in parts if part for name, each in part.items()}


def _is_larger(kind: type) -> bool:
    """Return whether instances of a class have room for more than attributes."""
    return kind.__basicsize__ > object.__basicsize__ or kind.__itemsize__ > 0


def _holds_objects(dtype: np.dtype[Any]) -> bool:
    """Return whether a type of NumPy's refers to objects of Python, in its metadata too."""
    inner = [each[0] for each in (dtype.fields or {}).values()]
    inner += [dtype.base] if dtype.base is not dtype else []
    return bool(dtype.hasobject or dtype.metadata or any(map(_holds_objects, inner)))


def check_seeds(values: Mapping[str, Any]) -> None:
    """Check that no seed among named values is None.

    Raises
    ------
    NotReusableError
        If one is.
    """
    for name in _SEEDS & values.keys():
        if values[name] is None:
            message = f"{name} is None: the result differs each time"
            raise NotReusableError(message)


def fingerprint(form: Any) -> str:
    """Return the SHA-256 of a canonical form, 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()
