"""Executors and runs on the real cluster."""

from __future__ import annotations

import psij
import pytest
from command import Command
from kubernetes_cluster import IMAGE

from hybrid_parsl.psij_kubernetes import JobOptions, KubernetesExecutorConfig


@pytest.fixture(scope="module")
def executor(kubernetes):
    """Return an executor whose jobs run in a bare Debian."""
    small = {"cpu": "100m", "memory": "32Mi"}
    options = JobOptions(image=IMAGE, image_pull_policy="Never", grace_s=1, requests=small)
    config = KubernetesExecutorConfig(
        kubeconfig=kubernetes.kubeconfig, options=options, start_patience_s=5, keep="none"
    )
    executor = psij.JobExecutor.get_instance("kubernetes", config=config)
    yield executor
    executor.close()


@pytest.fixture
def run(kubernetes_site, tmp_path, monkeypatch):
    """Return the command line of the project on the site k8s, with runs of its own."""
    for name, value in kubernetes_site.items():
        monkeypatch.setenv(name, value)
    return Command("k8s", tmp_path / "runs")
