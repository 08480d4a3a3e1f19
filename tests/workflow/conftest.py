"""The workflow suite runs unchanged over every site."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from command import Command

from hybrid_parsl.engine.site_settings import variable_name

if TYPE_CHECKING:
    from collections.abc import Iterator

PILOT = {"mpi": "pilot", "stages": "blocks", "nodes": "2"}


def pytest_configure(config) -> None:
    """Tell pytest of our mark."""
    words = "everywhere(jobs_only=False): runs on every site, or on those where a search is a job"
    config.addinivalue_line("markers", words)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items) -> None:
    """Drop what need not be run on sites where every job waits in a queue.

    What looks at the same run does so in one process of pytest-xdist.
    """
    here = Path(__file__).parent
    dropped = [item for item in items if item.path.parent == here and not _is_for_its_site(item)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]
    for item in items:
        if item.path.parent == here and "done" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group(f"run on {item.callspec.params['site']}"))


def _is_for_its_site(item: pytest.Item) -> bool:
    """Return whether a test is meant to run on the site that it would get."""
    site = getattr(item, "callspec", SimpleNamespace(params={})).params.get("site", "local")
    mark = item.get_closest_marker("everywhere")
    if site == "local" or mark is None:
        return site == "local"
    return not (site.endswith("-pilot") and mark.kwargs.get("jobs_only", False))


@pytest.fixture(
    scope="module", params=["local", "k8s", "kubernetes", "slurm", "slurm-pilot", "pbs"]
)
def site(request) -> Iterator[str]:
    """Return a site; the tests of this folder run on each, on Slurm in both of its modes.

    The site k8s is used twice: with the small API server, and with the real cluster.
    """
    service, _, mode = request.param.partition("-")
    environment = {variable_name(service, key): text for key, text in PILOT.items() if mode}
    if service == "kubernetes":
        environment = request.getfixturevalue("kubernetes_site")
    elif service == "k8s":
        environment = request.getfixturevalue("k8s").environment
    elif service != "local":
        request.getfixturevalue(service).wait_for_nodes()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield "k8s" if service == "kubernetes" else service


@pytest.fixture
def run(site, tmp_path, request) -> Command:
    """Return the command line on the site, with a folder of runs of its own.

    On local, a test that uses it is skipped unless whole runs are required.
    """
    if site == "local":
        request.getfixturevalue("several_runs")
    return Command(site, tmp_path / "runs")
