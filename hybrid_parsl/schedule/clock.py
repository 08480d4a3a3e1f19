"""What time it is, recorded so that later readers can see what the clock did in between."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hybrid_parsl.errors import ConfigurationError

TOLERANCE_S = 2.0  # a clock that is only kept right moves by less
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOCALTIME = Path("/etc/localtime")
_ZONES = "/zoneinfo/"
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_YEARS = range(1970, 9999)  # of a time that can be converted to every zone


@dataclass(frozen=True)
class Moment:
    """One reading of both clocks.

    Attributes
    ----------
    local
        The time of day, with its difference to UTC.
    boot_id
        Names the time since the computer was started; empty where that is not known.
    boot_s
        Seconds since then, including sleep; cannot be set.
    """

    local: datetime
    boot_id: str
    boot_s: float

    @classmethod
    def now(cls, zone: tzinfo | None) -> Moment:
        """Return the time in `zone`, None for that of the computer."""
        local = datetime.now(zone) if zone else datetime.now(UTC).astimezone()
        # with its difference to UTC alone: times of one ZoneInfo are compared by the wall clock
        local = local.replace(tzinfo=timezone(local.utcoffset() or timedelta(0)))
        try:
            boot_id = _BOOT_ID.read_text().strip()
        except OSError:
            boot_id = ""
        return cls(local, boot_id, round(time.clock_gettime(_BOOTTIME), 3))

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON values, the time in UTC as well."""
        utc = self.local.astimezone(UTC).isoformat(timespec="milliseconds")
        return {
            "time": utc.replace("+00:00", "Z"),
            "local": self.local.isoformat(timespec="milliseconds"),
            "boot_id": self.boot_id,
            "boot_s": self.boot_s,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Moment:
        """Return what `to_json` was made from.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it was made from something else.
        """
        local = datetime.fromisoformat(value["local"])
        if local.tzinfo is None or local.year not in _YEARS:
            raise ValueError(value["local"])
        return cls(local, str(value["boot_id"]), float(value["boot_s"]))

    def since(self, earlier: Moment) -> float:
        """Return the seconds since `earlier`, by the monotonic clock where it is known."""
        if self.boot_id and self.boot_id == earlier.boot_id:
            return self.boot_s - earlier.boot_s
        return (self.local - earlier.local).total_seconds()

    def clock_set_by(self, earlier: Moment) -> float:
        """Return by how many seconds the clock was set forward since `earlier`; 0 if by none."""
        moved_s = (self.local - earlier.local).total_seconds() - self.since(earlier)
        return moved_s if abs(moved_s) > TOLERANCE_S else 0.0

    @property
    def offset(self) -> timedelta:
        """The difference of its local time to UTC."""
        return self.local.utcoffset() or timedelta(0)


def time_zone(name: str | None) -> tzinfo | None:
    """Return the time zone called `name`, or that of the computer, None if it has no name.

    Raises
    ------
    ConfigurationError
        If there is no time zone of this name.
    """
    name = name or local_zone_name()
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = "no such time zone on this computer"
        valid = "an IANA name, such as Europe/Berlin"
        raise ConfigurationError(message, "--timezone", None, name, valid) from error


def local_zone_name() -> str | None:
    """Return the IANA name of the computer's time zone, None if it is not known.

    Source: tzset(3), localtime(5).
    """
    text = os.environ.get("TZ", "").removeprefix(":")
    if not text or text == str(_LOCALTIME):
        text = os.path.realpath(_LOCALTIME)
    name = text.rpartition(_ZONES)[2] if text.startswith("/") else text
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    return name


def offset_name(offset: timedelta) -> str:
    """Return a difference to UTC as ``UTC+05:30``."""
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
