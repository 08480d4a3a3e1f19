"""Which run a command works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.cli.output import say_aside

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.records.run_directory import RunDirectory


def find_run(runs_dir: Path, name: str) -> RunDirectory:
    """Return the user's run that `name` means in `runs_dir`; see `RunDirectory.find`.

    Raises
    ------
    ConfigurationError
        If no run, or more than one, has such a name.
    UntrustedFileError
        If other users own it or can write it.
    """
    from hybrid_parsl.records.run_directory import RunDirectory

    return RunDirectory.find(runs_dir, name, say_aside)
