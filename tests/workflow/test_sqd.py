"""The workflow that measures bitstrings and diagonalizes in their space."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest
from services import require


@pytest.mark.everywhere(jobs_only=True)
def test_hydrogen(run, request):
    if request.node.callspec.params["site"] == "kubernetes":
        pytest.skip("the image of the tests has no qiskit-addon-sqd")
    available = find_spec("qiskit_addon_sqd") is not None
    require("qiskit_addon_sqd", "hybrid-parsl[sqd]", available=available)
    done = run("molecule", "--workflow", "sqd", "--set", "search.starts=1")
    assert done.returncode == 0, done.stderr
    (path,) = run.runs.glob("*/results.json")
    tasks = json.loads(path.read_text())["tasks"]
    assert list(tasks) == ["search", "quantum", "diagonalization"]
    assert set(tasks["quantum"]["result"]["counts"]) == {"0101", "1010"}
    assert tasks["quantum"]["result"]["shots"] == 4096
    found = tasks["diagonalization"]["result"]
    assert found["energy"] == pytest.approx(-1.137306035753, abs=1e-9)
    assert found["execution"]["n_ranks"] == 2
    report = (path.parent / "report.html").read_text()
    assert "Sample-based quantum diagonalization" in report
    assert list((path.parent / "figures").glob("*diagonalization*.svg"))
