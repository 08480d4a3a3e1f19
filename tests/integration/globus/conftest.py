"""One endpoint for all tests of this folder: starting it takes half a minute."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from globus_services import GlobusServices

LARGE = "def large(text):\n    return 'x' * int(text)\n"
REGISTER = f"""
from globus_compute_sdk import Client
print(Client().register_source_code({LARGE!r}, "large"))
"""


@dataclass
class Endpoint:
    """An endpoint that ``remote endpoint init`` has configured.

    Attributes
    ----------
    services
        What it talks to.
    folder
        Its configuration.
    there
        Where its runs are.
    large
        The id of a function of another kind that it allows too: it returns as much as it is told.
    id
        Its id; empty before it has started.
    """

    services: GlobusServices
    folder: Path
    there: Path
    large: str
    id: str = ""

    def start(self) -> None:
        """Start it; it keeps its id."""
        self.id = self.services.start_endpoint(self.folder)

    def stop(self) -> None:
        """Stop it."""
        self.services.stop_endpoint(self.folder)

    def run(self, runs: Path, *arguments: str, **keywords: Any) -> subprocess.CompletedProcess[str]:
        """Run ``remote run`` with its runs in `runs`."""
        places = ["--endpoint", self.id, "--folder", str(self.there), "--runs-dir", str(runs)]
        return self.services.hybrid_parsl("remote", "run", *places, *arguments, **keywords)

    def detached(self, runs: Path, *arguments: str) -> dict[str, str]:
        """Run ``remote run --detach`` and return the ids it prints."""
        done = self.run(runs, *arguments, "--detach", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def endpoint(globus: GlobusServices) -> Iterator[Endpoint]:
    """Start an endpoint as a user would."""
    folder = globus.root / "user" / "hybrid"
    init = ["remote", "endpoint", "init", str(folder), "--email", "nobody@example.org"]
    allowed = "failing_problems:Slow,failing_problems:Raising"
    done = globus.hybrid_parsl(*init, HYBRID_PARSL_REMOTE_ALLOW=allowed)
    assert done.returncode == 0, done.stderr
    large = globus.python(REGISTER).strip()
    with (folder / "config.yaml").open("a") as file:  # its last key is allowed_functions
        file.write(f'  - "{large}"\n')
    started = Endpoint(globus, folder, globus.root / "there", large)
    started.start()
    yield started
    started.stop()
