"""The workflow suite runs unchanged over every site."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from command import Command


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


@pytest.fixture(scope="module", params=["local", "k8s", "slurm", "pbs"])
def site(request) -> str:
    """Return a site; the tests of this folder run on each."""
    if request.param != "local":
        request.getfixturevalue(request.param)
    return request.param


@pytest.fixture
def run(site, tmp_path) -> Command:
    """Return the command line on the site, with a folder of runs of its own."""
    return Command(site, tmp_path / "runs")
