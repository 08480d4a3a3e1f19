"""The user's crontab: one line a schedule, every other byte left as it is."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybrid_parsl.schedule.cron_expression import CronExpression

LONGEST_COMMAND = 998  # cron.h of Debian: MAX_COMMAND
_LOCK = ".crontab.lock"
_CARRIAGE_RETURN = r"\r"
_VERB = ["-m", "hybrid_parsl", "schedule", "run"]


def command_words(definition: str, python: str = sys.executable) -> list[str]:
    """Return the command that carries out the schedule in the file `definition`.

    ``-P`` keeps Python from importing modules of the folder it starts in, such as ``~/random.py``.
    """
    return [python, "-P", *_VERB, definition]


def shell_command(definition: str) -> str:
    """Return the same for a shell.

    Raises
    ------
    ConfigurationError
        If a path has a control character, which no table of commands can hold.
    """
    for word in command_words(definition):
        if not word.isprintable():
            message = "a crontab cannot hold a path with such a character"
            raise ConfigurationError(message, None, None, repr(word))
    return shlex.join(command_words(definition))


def crontab_line(cron: CronExpression, definition: str) -> str:
    r"""Return the line for cron, without its end; a ``%`` is written as ``\%``.

    Raises
    ------
    ConfigurationError
        If a path cannot be written there, or the line is too long for cron.
    """
    command = shell_command(definition).replace("%", r"\%")
    if len(os.fsencode(command)) > LONGEST_COMMAND:
        message = "the command is too long for cron: keep Python or the schedules in a shorter path"
        raise ConfigurationError(message, None, None, command, f"{LONGEST_COMMAND} bytes")
    return f"{cron} {command}"


def add_line(text: str, line: str) -> str:
    """Return the crontab `text` with `line` as its last whole line.

    A last line that has no end, which cron does not carry out, stays the last.
    """
    end = text.rfind("\n") + 1
    return f"{text[:end]}{line}\n{text[end:]}"


def remove_lines(text: str, definition: str) -> str:
    """Return the crontab `text` without the lines that carry out `definition`."""
    lines = text.split("\n")
    kept = [line for line in lines[:-1] if not _runs(line, definition)]
    return "".join(f"{line}\n" for line in kept) + lines[-1]


def has_line(text: str, definition: str) -> bool:
    """Return whether a line of the crontab `text` carries out `definition`."""
    return any(_runs(line, definition) for line in text.split("\n")[:-1])


def has_entry(text: str, entry: str) -> bool:
    """Return whether the crontab `text` has the line `entry`, with or without a redirection."""
    lines = text.split("\n")[:-1]
    return any(line == entry or line.startswith(f"{entry} ") for line in lines)


def _runs(line: str, definition: str) -> bool:
    """Return whether a line has our command for `definition`, whatever its times are.

    Somebody may have put a redirection behind it.
    """
    wanted = f" {shlex.join([*_VERB, definition])}".replace("%", r"\%")
    found = re.search(rf"{re.escape(wanted)}(?![^\s;&|>])", line)
    return found is not None and not line.lstrip().startswith("#")


def read_crontab() -> str:
    """Return the user's crontab, empty if there is none.

    Raises
    ------
    ConfigurationError
        If there is no command ``crontab``, or it refuses.
    """
    done = _crontab("-l")
    if done.returncode == 0:
        shown = _text(done.stdout)
        return _as_edited() if _CARRIAGE_RETURN in shown else shown
    said = _text(done.stderr).strip()
    if "no crontab for" in said or "No such file" in said:
        return ""
    raise ConfigurationError("cannot be read", "crontab -l", None, said)


def _as_edited() -> str:
    r"""Return the user's crontab as an editor is given it, and leave it as it is.

    Debian's ``crontab -l`` shows a carriage return as the two characters ``\r``.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "crontab"
        done = _crontab("-e", VISUAL=f"cat > {shlex.quote(str(copy))}")
        if done.returncode == 0 and copy.exists():
            return _text(copy.read_bytes())
    raise ConfigurationError("cannot be read", "crontab -e", None, _text(done.stderr).strip())


def write_crontab(text: str) -> None:
    """Make `text` the user's crontab; an empty one is removed.

    Raises
    ------
    ConfigurationError
        If there is no command ``crontab``, or it refuses the text.
    """
    arguments = ("-",) if text else ("-r",)
    done = _crontab(*arguments, data=text.encode(errors="surrogateescape"))
    if done.returncode != 0:
        said = _text(done.stderr).strip()
        raise ConfigurationError("is refused", "crontab -", None, said)


def install(cron: CronExpression, definition: Path) -> None:
    """Put the line of a schedule into the user's crontab, in place of an earlier one.

    Raises
    ------
    ConfigurationError
        If the crontab cannot be read or written, or cannot hold the line.
    """
    line = crontab_line(cron, str(definition))
    with _one_at_a_time(definition.parent):
        write_crontab(add_line(remove_lines(read_crontab(), str(definition)), line))


def is_installed(definition: Path) -> bool:
    """Return whether the user's crontab carries out a schedule, as far as it can be read."""
    try:
        return is_available() and has_line(read_crontab(), str(definition))
    except ConfigurationError:
        return False


def uninstall(definition: Path) -> bool:
    """Take the line of a schedule out of the user's crontab; return whether it was there.

    Raises
    ------
    ConfigurationError
        If the crontab cannot be read or written.
    """
    if not is_available():
        return False
    with _one_at_a_time(definition.parent):
        text = read_crontab()
        if not has_line(text, str(definition)):
            return False
        write_crontab(remove_lines(text, str(definition)))
    return True


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep our other processes from changing what is read here before it is written back.

    Where no lock can be had in `folder`, there is none.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((folder / _LOCK).open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_available() -> bool:
    """Return whether this computer has the command ``crontab``."""
    return shutil.which("crontab") is not None


def _crontab(
    *arguments: str, data: bytes = b"", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Call ``crontab``, in our language and with some more variables."""
    program = shutil.which("crontab")
    if program is None:
        raise ConfigurationError(
            "there is no command crontab on this computer",
            valid="install cron, or --format scrontab, systemd or kubernetes",
        )
    return subprocess.run(  # noqa: S603 - the user's own crontab
        [program, *arguments],
        input=data,
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", **variables},
    )


def _text(data: bytes) -> str:
    """Return `data` as text that can be turned into the same bytes again."""
    return data.decode(errors="surrogateescape")
