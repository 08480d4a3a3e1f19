"""The schedulers that the entry of a schedule can be written for."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """The scheduler of an entry."""

    CRONTAB = "crontab"
    SCRONTAB = "scrontab"
    SYSTEMD = "systemd"
    KUBERNETES = "kubernetes"

    def how_to_remove(self, name: str) -> str:
        """Return what takes the printed entry of the schedule `name` out of its scheduler."""
        unit = f"hybrid-parsl-{name}.timer"
        return {
            Format.CRONTAB: "crontab -e",
            Format.SCRONTAB: "scrontab -e",
            Format.SYSTEMD: f"systemctl --user disable --now {unit}",
            Format.KUBERNETES: f"kubectl delete cronjob {name}",
        }[self]
