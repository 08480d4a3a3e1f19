"""The workflow suite runs unchanged over every site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

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
        self, *arguments: str, timeout_s: float = 150, **variables: str
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

    def document(self, *arguments: str) -> dict:
        """Run with ``--json`` and return what was printed."""
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def pytest_configure(config) -> None:
    """Tell pytest of our mark."""
    config.addinivalue_line("markers", "everywhere: runs on every site, not on local only")


def pytest_collection_modifyitems(config, items) -> None:
    """Drop what need not be run on sites where every job waits in a queue."""
    here = Path(__file__).parent
    dropped = [
        item
        for item in items
        if item.path.parent == here
        and "site" in getattr(item, "callspec", SimpleNamespace(params={})).params
        and item.callspec.params["site"] != "local"
        and item.get_closest_marker("everywhere") is None
    ]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


@pytest.fixture(scope="module", params=["local", "slurm", "pbs"])
def site(request) -> str:
    """Return a site; the tests of this folder run on each."""
    if request.param != "local":
        request.getfixturevalue(request.param)
    return request.param


@pytest.fixture
def run(site, tmp_path) -> Command:
    """Return the command line on the site, with a folder of runs of its own."""
    return Command(site, tmp_path / "runs")
