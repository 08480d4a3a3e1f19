"""Classes that a name in an experiment stands for: built in, by entry point, or by path."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import ConfigurationError, HybridParslError
from hybrid_parsl.messages import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True)
class PluginGroup:
    """What the value of one key may name.

    Attributes
    ----------
    what
        The kind of thing in an error, such as ``kind of problem``.
    key
        Dotted key of the experiment that holds the name.
    entry_points
        Group of entry points in which installed packages offer theirs.
    built_in
        ``package.module:Class`` of each name of this package; they take precedence.
    others
        Further names that are valid, but stand for no class of their own.
    path
        The form of a name that is a path.
    """

    what: str
    key: str
    entry_points: str
    built_in: Mapping[str, str]
    others: tuple[str, ...] = ()
    path: str = "package.module:Class"

    def targets(self) -> dict[str, str]:
        """Return every known name with the ``package.module:Class`` behind it, sorted."""
        plugins = {point.name: point.value for point in entry_points(group=self.entry_points)}
        return dict(sorted({**plugins, **self.built_in}.items()))

    def target(self, name: str) -> str:
        """Return the ``package.module:Class`` behind `name`; `name` itself if it is not known."""
        return self.built_in.get(name) or self.targets().get(name, name)

    def load(self, name: str, target: str | None = None) -> Any:
        """Import what `name` stands for.

        Parameters
        ----------
        name
            As in the experiment.
        target
            The ``package.module:Class`` behind it, if the caller knows.

        Raises
        ------
        ConfigurationError
            If no such name is known, or its module cannot be imported.
        """
        module, colon, attribute = (target or self.target(name)).partition(":")
        if not (module and colon and attribute):
            known = [*self.targets(), *self.others]
            by_lower_case = {each.lower(): each for each in known}
            close = nearest(name.lower(), by_lower_case)
            raise ConfigurationError(
                f"unknown {self.what}",
                None,
                self.key,
                shown(name),
                f"{', '.join(known)}, or {self.path}",
                by_lower_case[close] if close else None,
            )
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:  # a plug-in may raise anything while it is imported
            message = f"cannot import it: {type(error).__name__}: {error}"
            raise ConfigurationError(message, None, self.key, shown(name)) from error

    @contextlib.contextmanager
    def making(self, name: str) -> Iterator[None]:
        """Turn what the class behind `name` raises while it is made into an error that says so.

        Raises
        ------
        ConfigurationError
            If it raises anything but an error of this package.
        """
        try:
            yield
        except HybridParslError:
            raise
        except Exception as error:  # the class may be a third party's
            message = f"cannot make it: {type(error).__name__}: {error}"
            raise ConfigurationError(message, None, self.key, shown(name)) from error


def source_fingerprint(found: type) -> str:
    """Return the fingerprint of the file that holds a class, 16 hexadecimal digits.

    Nothing for a class of this package, whose own identity counts, and for one without a file.
    """
    if found.__module__.partition(".")[0] == _PACKAGE:
        return ""
    try:
        path = Path(sys.modules[found.__module__].__file__ or "")
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except (AttributeError, KeyError, OSError):
        return ""
