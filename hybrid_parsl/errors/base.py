"""The root of the tree, and what is wrong before anything has run."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Self


@dataclass(eq=False)
class HybridParslError(Exception):
    """Base of every error of this package.

    ``exit_code`` is what the command line returns; ``retryable`` tells retry handlers
    whether the same call may succeed later.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.args = tuple(getattr(self, each.name) for each in fields(self))


@dataclass(eq=False)
class ConfigurationError(HybridParslError):
    """What the user wrote cannot be used.

    Attributes
    ----------
    message
        What is wrong, in one sentence without a full stop.
    source
        The file (or command-line option) it was found in.
    key
        The dotted key, such as ``search.starts``.
    found
        What was found there, as text.
    valid
        What would be valid, as text.
    suggestion
        The nearest valid word, if the found one looks like a slip.
    """

    exit_code = 2

    message: str
    source: str | None = None
    key: str | None = None
    found: str | None = None
    valid: str | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.source, self.key) if part)
        lines = [f"{place}: {self.message}" if place else self.message]
        if self.found is not None:
            lines.append(f"  found: {self.found}")
        if self.valid is not None:
            lines.append(f"  valid: {self.valid}")
        if self.suggestion is not None:
            lines.append(f"  did you mean '{self.suggestion}'?")
        return "\n".join(lines)

    def at(self, source: str) -> Self:
        """Return the same error, saying that it was found in `source`."""
        placed = type(self).__new__(type(self), *self.args)  # copy.copy may be tblib's, and share
        placed.__dict__.update(self.__dict__, source=self.source or source)
        return placed


class UntrustedFileError(ConfigurationError):
    """A file or folder that belongs to another user, or that other users can write."""


class InsufficientMemoryError(ConfigurationError):
    """A state would need more memory than is free.

    Parameters
    ----------
    required_bytes, available_bytes
        Sizes in bytes.
    what
        What needs the memory, for example ``"a gradient of 30 qubits"``.
    key
        The dotted key that decides how much.
    fits
        What fits, as text.
    """

    def __init__(
        self,
        required_bytes: int,
        available_bytes: int,
        what: str,
        key: str | None = None,
        fits: str | None = None,
    ) -> None:
        free = f"at most {available_bytes / 2**30:.2f} GiB"
        super().__init__(
            f"{what} needs more memory than is free",
            None,
            key,
            f"{required_bytes / 2**30:.2f} GiB needed",
            f"{free}: {fits}" if fits else free,
        )
        self.args = (required_bytes, available_bytes, what, key, fits)
        self.required_bytes = required_bytes
        self.available_bytes = available_bytes
        self.what = what


class SiteSettingsError(ConfigurationError):
    """Several settings of a site are missing or not valid.

    Parameters
    ----------
    site
        The name of the site.
    faults
        The texts of all that is wrong.
    """

    def __init__(self, site: str, faults: str) -> None:
        super().__init__("settings are missing or not valid", f"site {site}")
        self.args = (site, faults)
        self.site = site
        self.faults = faults

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.faults}"


@dataclass(eq=False)
class IdentityMismatchError(HybridParslError):
    """Two processes of one run hold different versions of this package.

    Attributes
    ----------
    here, there
        Version and source fingerprint of the driver and of the other side.
    where
        The executor or host of the other side.
    """

    exit_code = 5

    here: str
    there: str
    where: str

    def __str__(self) -> str:
        return (
            f"hybrid-parsl differs between the driver and {self.where}\n"
            f"  driver: {self.here}\n"
            f"  {self.where}: {self.there}\n"
            "  install the same version on both sides"
        )


@dataclass(eq=False)
class RunOverlapError(HybridParslError):
    """Another process still works on the same run or schedule.

    Attributes
    ----------
    what
        The run or the schedule, for example ``"schedule 'nightly'"``.
    holder
        Who holds its lock.
    """

    exit_code = 6

    what: str
    holder: str

    def __str__(self) -> str:
        return f"{self.what} is still running: {self.holder} holds its lock"
