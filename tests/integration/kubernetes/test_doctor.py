"""The doctor looks at a real cluster, and at what is in the image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from command import ROOT
from waiting import PATIENCE_S


def probes_in(kubernetes):
    found = kubernetes.kubectl("get", "mpijobs,jobs", "--output", "name").split()
    return [name for name in found if "probe" in name]


@pytest.fixture
def examine(kubernetes, kubernetes_site, tmp_path):
    """Return a function that examines the site k8s and returns exit code and findings."""

    def run(*words, modules=""):
        command = [sys.executable, "-m", "hybrid_parsl", "--project", str(ROOT), "doctor", "--json"]
        more = ["--site", "k8s", "--runs-dir", str(tmp_path / "runs"), "--timeout", "2m", *words]
        path = os.pathsep.join(filter(None, [str(modules), os.environ["PYTHONPATH"]]))
        done = subprocess.run(
            [*command, *more],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **kubernetes_site, "PYTHONPATH": path},
            cwd=tmp_path,  # not that of the project, which would come first
            timeout=PATIENCE_S,
        )
        assert not done.stderr
        found = json.loads(done.stdout)
        return done.returncode, {each["check"]: each for each in found}

    yield run
    deadline = time.monotonic() + PATIENCE_S
    while probes_in(kubernetes):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_healthy_cluster(examine):
    code, found = examine()
    assert code == 0, found
    assert {each["state"] for each in found.values()} == {"ok"}
    assert found["MPI Operator"]["message"] == "mpijobs.kubeflow.org/v2beta1"
    assert found["mpi"]["message"].startswith("2 ranks on hybrid-parsl-")
    assert {"rights on pods/log", "quantum: versions", "analysis: memory"} <= set(found)


def test_an_image_with_another_version(examine, tmp_path):
    shutil.copytree(ROOT / "hybrid_parsl", tmp_path / "other" / "hybrid_parsl")
    with (tmp_path / "other" / "hybrid_parsl" / "stages" / "search.py").open("a") as file:
        file.write("# a change that the image does not have\n")
    code, found = examine(modules=tmp_path / "other")
    assert code == 2
    for label in ("mpi", "quantum", "analysis"):
        assert found[label]["state"] == "wrong"
        assert "hybrid-parsl differs between the driver and rank" in found[label]["message"]
        assert found[label]["advice"].startswith("build the image from what is installed here")


def test_an_image_that_there_is_not(examine):
    code, found = examine("--site-set", "image=localhost/hybrid-parsl:none")
    assert code == 2
    assert "ErrImageNeverPull" in found["mpi"]["message"]
