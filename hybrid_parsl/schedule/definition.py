"""What a schedule is: all that a run needs to know where nothing else is known."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hybrid_parsl.atomic_file import write_atomically
from hybrid_parsl.engine.time_spans import Duration  # noqa: TC001 - pydantic reads it
from hybrid_parsl.errors import ConfigurationError, StorageError, UntrustedFileError
from hybrid_parsl.experiment_file import explain
from hybrid_parsl.messages import nearest
from hybrid_parsl.ownership import check_file, check_folder, is_own
from hybrid_parsl.schedule.cron_expression import CronExpression, parse_cron
from hybrid_parsl.schedule.entry_format import Format

LONGEST_NAME = 52  # that of a Kubernetes CronJob
NAME = rf"[a-z0-9]([a-z0-9-]{{0,{LONGEST_NAME - 2}}}[a-z0-9])?"
_HEAD = "# Written by hybrid-parsl schedule add; read anew before each run.\n"
_PRIVATE = 0o700


class Schedule(BaseModel):
    """One experiment, on one site, at planned times.

    Attributes
    ----------
    name
        Letters, digits and hyphens, at most 52 characters.
    cron
        The planned times, five fields as in crontab(5).
    timezone
        The IANA name of the time zone they are in; None for that of the computer.
    format
        The scheduler that its entry was written for.
    experiment
        The path of its TOML file.
    overrides, site_settings
        What ``--set`` and ``--site-set`` were given.
    site
        What ``--site`` was given; a path is absolute.
    settings
        The settings of the site that were set when the schedule was added, which count instead of
        those in force at a run; None in files of earlier versions.
    project
        The project folder; None for the one inside the package.
    folder
        Where a run works: relative paths of `site_settings` start here.
    runs_dir
        Where the run directories are made.
    state
        The folder of the lock, the history and the last output.
    deadline
        How long a run may take; None for as long as it likes.
    keep
        How many run directories are kept; None for all.
    on_failure
        A shell command, or the address of a webhook, for runs that do not succeed.
    environment
        Variables that a run is given, and that cron would not give it.
    environment_file
        A file of ``NAME=VALUE`` lines with more of them, read before each run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=rf"^{NAME}$")]
    cron: str
    timezone: str | None = None
    format: Format = Format.CRONTAB
    experiment: str
    overrides: list[str] = []
    site: str = "local"
    site_settings: list[str] = []
    settings: dict[str, Any] | None = None
    project: str | None = None
    folder: str
    runs_dir: str
    state: str
    deadline: Duration | None = timedelta(days=1)
    keep: Annotated[int, Field(ge=1)] | None = None
    on_failure: str | None = None
    environment: dict[str, str] = {}
    environment_file: str | None = None

    def expression(self) -> CronExpression:
        """Return the planned times.

        Raises
        ------
        ConfigurationError
            If they are no valid expression.
        """
        return parse_cron(self.cron)

    @property
    def deadline_s(self) -> float | None:
        """The deadline in seconds."""
        return None if self.deadline is None else self.deadline.total_seconds()

    def to_toml(self) -> str:
        """Return the text of its file."""
        return _HEAD + tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def schedules_folder() -> Path:
    """Return the folder of the schedules, ``$XDG_CONFIG_HOME/hybrid-parsl/schedules``."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    return Path(folder).absolute() / "hybrid-parsl" / "schedules"


def state_folder(name: str) -> Path:
    """Return where a schedule keeps its lock and history, below ``$XDG_STATE_HOME``."""
    folder = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(folder).absolute() / "hybrid-parsl" / "schedules" / name


def check_name(name: str) -> str:
    """Return `name` if a schedule can have it.

    Raises
    ------
    ConfigurationError
        If it has other characters, or too many.
    """
    if re.fullmatch(NAME, name):
        return name
    valid = f"lower-case letters, digits and hyphens between them, at most {LONGEST_NAME}"
    guess = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_NAME].strip("-")
    raise ConfigurationError(
        "is no name for a schedule", "--name", None, name, valid, guess or None
    )


def definition_files() -> dict[str, Path]:
    """Return the file of every schedule by name."""
    return {path.stem: path for path in sorted(schedules_folder().glob("*.toml"))}


def definition_file(text: str) -> Path:
    """Return the file that `text` names: a path, or the name of a schedule.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    if "/" in text or text.endswith(".toml"):
        return Path(text).absolute()
    known = definition_files()
    if text in known:
        return known[text]
    raise no_such_schedule(text)


def no_such_schedule(text: str) -> ConfigurationError:
    """Return the error of an invalid schedule name."""
    known = definition_files()
    valid = ", ".join(known) or f"none yet: there is no schedule in {schedules_folder()}"
    return ConfigurationError("no such schedule", None, None, text, valid, nearest(text, known))


def read_definition(path: Path) -> Schedule:
    """Return the schedule in the file at `path`.

    Raises
    ------
    ConfigurationError
        If it cannot be read, or something in it is not valid.
    UntrustedFileError
        If it belongs to another user or can be written by others: it names commands to execute.
    """
    try:
        check_file(path)
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        schedule = Schedule.model_validate(table)
        schedule.expression()
    except ValidationError as error:
        raise explain(error, Schedule).at(str(path)) from error
    except UntrustedFileError:
        raise
    except ConfigurationError as error:
        raise ConfigurationError(error.message, str(path), "cron", error.found) from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot be read: {error}", str(path)) from error
    except RecursionError as error:
        raise ConfigurationError("is nested too deeply", str(path)) from error
    return schedule


def write_definition(schedule: Schedule) -> Path:
    """Write the file of a schedule, for its user alone, and return its path.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    path = schedules_folder() / f"{schedule.name}.toml"
    make_private_folder(path.parent)
    write_atomically(path, schedule.to_toml().encode())
    path.chmod(0o600)
    return path


def make_private_folder(path: Path) -> None:
    """Make the folder `path` for this user alone.

    Raises
    ------
    StorageError
        If it cannot be made.
    UntrustedFileError
        If it belongs to another user.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        if is_own(path):
            path.chmod(_PRIVATE)
        check_folder(path)
    except OSError as error:
        raise StorageError(str(path), error.strerror or str(error)) from error
