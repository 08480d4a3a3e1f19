"""Asks the commands of a scheduler, with a limit on how long they may take."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from hybrid_parsl.engine.jobs.scheduler_client import run_client

_PATIENCE_S = 30.0
_NOT_FOUND = 127
_TIMED_OUT = 124


@dataclass(frozen=True)
class Answer:
    """What a command answered.

    Attributes
    ----------
    code
        Its exit code: 0 if all went well, 127 if there is no such command, 124 if it took too
        long.
    out
        What it printed.
    words
        The same and what it wrote to its standard error, in one line.
    """

    code: int
    out: str
    words: str


def ask(*command: str, text: str | None = None, patience_s: float = _PATIENCE_S) -> Answer:
    """Run a command and return its answer; that it is missing or hangs is an answer, too.

    Parameters
    ----------
    command
        Program and arguments.
    text
        What it reads.
    patience_s
        Seconds after which it is ended.
    """
    try:
        done = run_client(command, text, patience_s)
    except subprocess.TimeoutExpired:
        return Answer(_TIMED_OUT, "", f"{command[0]} gave no answer in {patience_s:g} s")
    except OSError as error:
        return Answer(_NOT_FOUND, "", f"{command[0]}: {error.strerror}")
    words = " ".join(f"{done.stderr} {done.stdout}".split())
    silent = f"{' '.join(command)} ended with exit code {done.returncode} and no word"
    return Answer(done.returncode, done.stdout, words or silent)
