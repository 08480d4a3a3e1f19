"""Single stages on an endpoint that allows any function."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from command import Command

pytestmark = pytest.mark.timeout(1200)

FILES = (
    "config.yaml",
    "user_config_schema.json",
    "user_config_template.yaml.j2",
    "user_environment.yaml",
)
SMALL = ["--set=problem.nodes=6", "--set=search.starts=4", "--set=analysis.landscape=8"]


@pytest.fixture(scope="module")
def open_endpoint(endpoint):
    """Start a second endpoint, without the two restrictions."""
    folder = endpoint.folder.with_name("open")
    folder.mkdir()
    for name in FILES:
        lines = (endpoint.folder / name).read_text().splitlines(keepends=True)
        kept = [line for line in lines if not line.lstrip().startswith(("allowed_", "- "))]
        (folder / name).write_text("".join(kept))
    started = replace(endpoint, folder=folder)
    started.start()
    yield started
    started.stop()


def run(endpoint, runs, *arguments):
    places = ["--site", "globus", "--site-set", f"endpoint={endpoint.id}", "--runs-dir", str(runs)]
    return endpoint.services.hybrid_parsl("run", *places, *arguments)


def test_stages_there_find_what_stages_here_find(open_endpoint, tmp_path):
    done = run(open_endpoint, tmp_path / "there", "maxcut", *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    here = Command("local", tmp_path / "here").document("maxcut", *SMALL)
    assert there["search"]["execution"]["n_ranks"] == 2
    assert there["search"]["energies"] == here["search"]["energies"]
    assert there["quantum"]["counts"] == here["quantum"]["counts"]
    assert there["analysis"]["energy"] == here["analysis"]["energy"]


def test_a_rank_that_fails_there_is_the_same_error_as_here(open_endpoint, tmp_path):
    done = run(open_endpoint, tmp_path, "bell", "--set", "problem.kind=failing_problems:Raising")
    assert done.returncode == 4
    assert "error in the search stage: rank 1" in done.stderr
    assert "ValueError: no such observable" in done.stderr


def test_an_endpoint_that_allows_our_function_only(endpoint, tmp_path):
    done = run(endpoint, tmp_path, "bell")
    assert done.returncode == 3, done.stderr
    assert "FUNCTION_NOT_PERMITTED" in done.stderr
    assert "Traceback" not in done.stderr


def test_more_than_one_node_is_refused(open_endpoint, tmp_path):
    wide = ["--set", "resources.num_nodes=2", "--set", "resources.num_ranks=2"]
    done = run(open_endpoint, tmp_path / "runs", "bell", *wide)
    assert done.returncode == 2
    assert "on its own node only" in done.stderr
    assert not (tmp_path / "runs").exists()
