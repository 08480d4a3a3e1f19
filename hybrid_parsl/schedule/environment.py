"""The variables of a scheduled run: cron gives it next to none."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.ownership import check_file
from hybrid_parsl.secret_names import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hybrid_parsl.schedule.definition import Schedule

_TAKEN = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SLURM_CONF", "KUBECONFIG", "XDG_CONFIG_HOME")
_OURS = "HYBRID_PARSL_"
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)")
_OTHERS = 0o077


def captured(names: Iterable[str]) -> dict[str, str]:
    """Return the variables of this process that a schedule keeps: `names`, and what sites read.

    Raises
    ------
    ConfigurationError
        One of `names` is not set, or sounds like a secret, which belongs into a file of its own.
    """
    ours = [name for name in os.environ if name.startswith(_OURS) and not is_secret_name(name)]
    found = {name: os.environ[name] for name in (*_TAKEN, *ours) if os.environ.get(name)}
    for name in names:
        if name not in os.environ:
            raise ConfigurationError("is not set", "--env", None, name, "a variable that is set")
        if is_secret_name(name):
            message = "sounds like a secret, which is not kept with the schedule"
            valid = "a file that only you can read, with --env-file"
            raise ConfigurationError(message, "--env", None, name, valid)
        found[name] = os.environ[name]
    return found


def bare_environment() -> dict[str, str]:
    """Return the variables that a scheduled run has: cron's, and those that a schedule keeps.

    Functions of the shell such as ``module``, and a login's credentials, are not among them.
    """
    user = getpass.getuser()
    home = os.environ.get("HOME", "/")
    cron = {"HOME": home, "LOGNAME": user, "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    return {**cron, **captured([])}


def read_environment_file(path: Path) -> dict[str, str]:
    """Return the variables in a file of ``NAME=VALUE`` lines; quotes around a value are dropped.

    Raises
    ------
    ConfigurationError
        If it cannot be read, others may read it, or a line is none; no message shows a value.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot be read: {error}", str(path)) from error
    if mode & _OTHERS:
        valid = f"a file for you alone: chmod 600 {path}"
        raise ConfigurationError("others may read it", str(path), None, oct(mode & 0o777), valid)
    check_file(path)
    found = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None or "\0" in text:
            raise ConfigurationError(f"line {number} is no NAME=VALUE", str(path))
        value = match[2].strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        found[match[1]] = value[1:-1] if quoted else value
    return found


def check_start() -> None:
    """Start Python as cron will, in another folder and without variables.

    Raises
    ------
    ConfigurationError
        If it does not find this package there.
    """
    command = [sys.executable, "-P", "-m", "hybrid_parsl", "--version"]
    done = subprocess.run(  # noqa: S603 - this Python
        command, cwd="/", env={}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = done.stderr.strip().rpartition("\n")[2]
        message = "does not start without your shell's variables, as cron would start it"
        valid = "an installed package: in a clone, pip install . into a virtual environment"
        raise ConfigurationError(f"{message}: {said}", " ".join(command), None, None, valid)


def run_environment(schedule: Schedule) -> dict[str, str]:
    """Return all variables of a run: those of cron, of the schedule, and of its file.

    Raises
    ------
    ConfigurationError
        If the file cannot be used.
    """
    found = {"HOME": _home(schedule), **os.environ, **schedule.environment}
    if schedule.environment_file:
        found |= read_environment_file(Path(schedule.environment_file))
    return found


def _home(schedule: Schedule) -> str:
    """Return the user's home as the system knows it; a user without one works in the state."""
    import pwd

    with contextlib.suppress(KeyError):
        home = pwd.getpwuid(os.getuid()).pw_dir
        if Path(home).is_dir():
            return home
    return schedule.state
