"""Values in a form that is the same in every process, for fingerprints.

A pickle is not: it depends on which objects are shared, and holds no source of a class.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hybrid_parsl.own_code import OwnCode
from hybrid_parsl.plugins import source_fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SEEDS = {"seed", "rng", "random_state"}
"""Names under which None means that random numbers differ each time."""


class NotReusableError(ValueError):
    """A call has no fingerprint; it is carried out. Users never see this error."""


class CanonicalForm:
    """Turns values into what JSON holds, such that different values differ.

    The order of dicts counts: sums may depend on it. Values that stand for something else (a
    path, an open file, a generator of random numbers, a function) have no form.
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
        if isinstance(value, bytes | complex):
            return {type(value).__name__: repr(value)}
        if isinstance(value, Enum):
            return {**self._class(type(value)), "name": value.name}
        if type(value).__module__ == "numpy":
            return self._of_numpy(value)
        if isinstance(value, BaseModel):
            return self.of_model(value)
        if is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in fields(value)]
            items = [(name, getattr(value, name)) for name in names]
            return {**self._class(type(value)), "fields": self._items(items)}
        message = f"a {type(value).__qualname__} has no canonical form"
        raise NotReusableError(message)

    def of_model(self, value: BaseModel) -> Any:
        """Return the form of a model, with its private attributes."""
        items = [*value, *(value.__pydantic_private__ or {}).items()]
        return {**self._class(type(value)), "fields": self._items(items)}

    def _items(self, items: Iterable[tuple[Any, Any]]) -> list[Any]:
        """Return the form of pairs of a name and a value."""
        pairs = list(items)
        check_seeds({name: value for name, value in pairs if isinstance(name, str)})
        return [[self.of(name), self.of(value)] for name, value in pairs]

    def _class(self, kind: type) -> dict[str, str]:
        """Return what identifies a class."""
        reference = f"{kind.__module__}:{kind.__qualname__}"
        return {"class": reference, "source": source_fingerprint(kind)}

    def _of_numpy(self, value: Any) -> Any:
        """Return the form of an array or a number of NumPy's."""
        import numpy as np

        if not isinstance(value, np.ndarray | np.generic) or value.dtype.hasobject:
            message = f"a {type(value).__qualname__} of NumPy's has no canonical form"
            raise NotReusableError(message)
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        kind = type(value).__name__
        return {kind: [str(value.dtype.descr), list(value.shape), digest]}


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
