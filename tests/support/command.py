"""The command line of the project, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Command:
    """The command line of the project on one site.

    Attributes
    ----------
    site
        What ``--site`` is given.
    runs
        Where runs are kept.
    """

    site: str
    runs: Path

    def arguments(self, *arguments: str) -> list[str]:
        """Return the whole command."""
        defaults = ["--site", self.site, "--runs-dir", str(self.runs)]
        return [sys.executable, str(ROOT / "run.py"), *defaults, *arguments]

    def __call__(
        self, *arguments: str, timeout_s: float = PATIENCE_S, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return subprocess.run(
            self.arguments(*arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env={**os.environ, **variables},
        )

    def command_of_run(self, *arguments: str) -> list[str]:
        """Return another command, such as ``resume``, on the only run."""
        program = "from hybrid_parsl.cli.main import main; main()"
        return [sys.executable, "-c", program, *arguments, "--runs-dir", str(self.runs)]

    def of_run(
        self, *arguments: str, timeout_s: float = PATIENCE_S
    ) -> subprocess.CompletedProcess[str]:
        """Run another command, such as ``resume``, on the only run."""
        return subprocess.run(
            self.command_of_run(*arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def document(self, *arguments: str) -> dict:
        """Run with ``--json`` and return what was printed."""
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
