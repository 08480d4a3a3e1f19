from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kubernetes_api import KubernetesApi

ROOT = Path(__file__).parents[3]


@pytest.mark.usefixtures("several_runs")
def test_this_computer_works_and_no_trace_is_left(command: Any) -> None:
    findings = json.loads(command("doctor", "--json"))
    assert {finding["state"] for finding in findings} == {"ok"}
    checks = {finding["check"]: finding["message"] for finding in findings}
    assert "parsl" in checks["here"]
    assert checks["mpi"].startswith("2 ranks on ")
    assert checks["mpi: kernels"].startswith("compiled")
    assert {"run directory", "quantum", "analysis: versions", "mpi: memory"} <= set(checks)
    assert list(command.folder.iterdir()) == []


def test_what_is_wrong_comes_with_what_to_do(command: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    text = command("doctor", code=2)
    assert "wrong   run directory: " in text
    assert "        take a --runs-dir that can be written to" in text


def test_a_site_that_cannot_be_used(command: Any, tmp_path: Path) -> None:
    text = command("doctor", "--site", "slurm", "--runs-dir", str(tmp_path / "my runs"), code=2)
    assert "wrong   configuration: " in text
    assert "a path of letters" in text
    assert not (tmp_path / "my runs").exists()


def test_a_backend_that_nobody_knows(command: Any, tmp_path: Path) -> None:
    text = (ROOT / "site_configs" / "local.py").read_text()
    site = tmp_path / "place.py"
    site.write_text(text.replace('backend="local"', 'backend="locla"'))
    text = command("doctor", "--site", str(site), code=2)
    assert "wrong   configuration: " in text
    assert "did you mean 'local'" in text


def test_scheduler_commands_that_are_missing(command: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    text = command("doctor", "--site", "slurm", code=2)
    assert "wrong   commands: sbatch" in text
    assert "skipped submit" in text
    assert "skipped ranks and workers" in text


def test_a_time_span_that_is_none(command: Any) -> None:
    command("doctor", "--timeout", "soon", code=2)
    assert "--timeout" in command.err
    assert "write 90s, 30m" in command.err


@pytest.mark.usefixtures("thorough")
def test_a_bare_check_has_the_variables_of_a_scheduled_run(tmp_path: Path) -> None:
    site = tmp_path / "place.py"
    text = (ROOT / "site_configs" / "local.py").read_text()
    shown = '    import os\n    raise ValueError("variables: " + " ".join(sorted(os.environ)))\n'
    site.write_text(text.replace("    processes = ", f"{shown}    processes = "))
    program = "from hybrid_parsl.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "doctor", "--bare", "--site", str(site)],
        env={**os.environ, "HYBRID_PARSL_X": "1", "BASH_FUNC_module%%": "() { :; }", "LANG": "C"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    (line,) = [line for line in done.stdout.splitlines() if "variables: " in line]
    names = set(line.partition("variables: ")[2].split())
    assert {"HOME", "LOGNAME", "SHELL", "PATH", "HYBRID_PARSL_X"} <= names
    assert names.isdisjoint({"BASH_FUNC_module%%", "LANG", "PYTEST_CURRENT_TEST"})


@pytest.fixture
def without_operator(k8s: Any, monkeypatch: Any) -> Any:
    """Make a cluster without the MPI Operator that of the site k8s."""
    for name, value in k8s.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(k8s, "has_mpi", False)
    return k8s


ONE_RANK = ("--site-set", "nodes=1", "--site-set", "ranks_per_node=1")
NO_OPERATOR = "The cluster has no MPIJobs (kubeflow.org/v2beta1): install the Kubeflow MPI Operator"


@pytest.mark.usefixtures("without_operator")
def test_a_missing_mpi_operator_is_named_in_the_same_words(command: Any) -> None:
    assert f"wrong   MPI Operator: {NO_OPERATOR}" in command("doctor", "--site", "k8s", code=2)
    assert NO_OPERATOR in command("run", "bell", "--site", "k8s", "--check", code=3)
    command("run", "bell", "--site", "k8s", code=3)
    assert NO_OPERATOR in command.err


@pytest.mark.usefixtures("without_operator")
def test_one_rank_needs_no_mpi_operator(command: Any) -> None:
    text = command("doctor", "--site", "k8s", *ONE_RANK)
    assert "MPI Operator" not in text
    assert "would be created" in command("run", "bell", "--site", "k8s", *ONE_RANK, "--check")
    found = json.loads(command("run", "bell", "--site", "k8s", *ONE_RANK, "--json"))
    assert found["run"]["status"] == "completed"


def test_an_api_server_that_is_away_is_asked_once(
    command: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    server = KubernetesApi()
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "config")))
    monkeypatch.setenv("HYBRID_PARSL_K8S_IMAGE", "image")
    server.fail("GET", "/version", "silent", times=99)
    try:
        text = command("run", "bell", "--site", "k8s", "--check", code=3)
        assert text.count("does not answer") == 3
        assert server.count("GET", "/version") == 1
        assert "wrong   API server: " in command("doctor", "--site", "k8s", code=2)
    finally:
        server.stop()
