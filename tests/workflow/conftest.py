"""The workflow suite runs unchanged over every site."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from command import Command

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@pytest.fixture(scope="module", params=["local", "k8s", "slurm", "pbs", "kubernetes"])
def site(request) -> Iterator[str]:
    """Return a site; the tests of this folder run on each.

    The site k8s is used twice: with the small API server, and with the real cluster.
    """
    if request.param == "kubernetes":
        environment = request.getfixturevalue("kubernetes_site")
    elif request.param == "k8s":
        environment = request.getfixturevalue("k8s").environment
    else:
        environment = {}
        if request.param != "local":
            request.getfixturevalue(request.param)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield "k8s" if request.param == "kubernetes" else request.param


@pytest.fixture
def run(site, tmp_path) -> Command:
    """Return the command line on the site, with a folder of runs of its own."""
    return Command(site, tmp_path / "runs")
