"""The workflow suite runs unchanged over every site."""

from __future__ import annotations

import pytest
from command import Command


@pytest.fixture(scope="module", params=["local"])
def site(request) -> str:
    """Return a site; the tests of this folder run on each."""
    return request.param


@pytest.fixture
def run(site, tmp_path) -> Command:
    """Return the command line on the site, with a folder of runs of its own."""
    return Command(site, tmp_path / "runs")
