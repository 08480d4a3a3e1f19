"""A schedule for Slurm's own crontab, scrontab(1): the driver is a small batch job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.crontab import shell_command
from hybrid_parsl.schedule.plain_times import plain_times
from hybrid_parsl.schedule.scheduled_run import GRACE_S

if TYPE_CHECKING:
    from hybrid_parsl.schedule.definition import Schedule

_STARTING_S = 60


def scrontab_entry(schedule: Schedule, definition: str) -> str:
    """Return the lines for scrontab.

    Raises
    ------
    ConfigurationError
        If the times mean different days to Slurm and to cron, or a path cannot be written there.
    """
    times = plain_times(schedule.expression())
    output = str(Path(schedule.state) / "scrontab.log").replace("%", "%%")
    options = [f"--job-name=hybrid-parsl-{schedule.name}", "--open-mode=append", "--ntasks=1"]
    if schedule.deadline_s is not None:
        options.append(f"--time={_slurm_time(schedule.deadline_s + GRACE_S + _STARTING_S)}")
    if not output.isprintable() or " " in output:
        message = "scrontab cannot hold a path with such a character"
        raise ConfigurationError(message, None, None, repr(output))
    options.append(f"--output={output}")
    return "\n".join(
        [*(f"#SCRON {option}" for option in options), f"{times} {shell_command(definition)}"]
    )


def _slurm_time(seconds: float) -> str:
    """Return a time for ``--time``, as days-hours:minutes:seconds."""
    whole = round(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    return f"{days}-{hours % 24:02d}:{minutes % 60:02d}:{whole % 60:02d}"
