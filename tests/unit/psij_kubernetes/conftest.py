"""A small API server and executors that use it."""

from __future__ import annotations

import psij
import pytest
from kubernetes_api import KubernetesApi
from pod_runner import PodRunner

from hybrid_parsl.psij_kubernetes import (
    JobOptions,
    KubernetesExecutorConfig,
    completion,
    pending,
    tracker,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Let the executor look around more often than a real cluster needs."""
    for module, name, seconds in (
        (completion, "_DELAY_S", 0.03),
        (pending, "_FIRST_CHECK_S", 0.2),
        (pending, "_INTERVAL_S", 0.2),
        (tracker, "_TICK_S", 0.1),
    ):
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def api():
    server = KubernetesApi()
    yield server
    server.stop()


@pytest.fixture
def pods(api):
    runner = PodRunner(api)
    yield runner
    runner.close()


@pytest.fixture
def make_executor(api, tmp_path):
    """Return a function that makes executors for the server."""
    made = []

    def make(**settings):
        file = api.kubeconfig(tmp_path / "kubeconfig", user=settings.pop("user", None))
        options = JobOptions(image="image", **settings.pop("options", {}))
        values = {"silence_s": 2.0, "retry_s": 5.0, "start_patience_s": 0.5, **settings}
        config = KubernetesExecutorConfig(kubeconfig=file, options=options, **values)
        executor = psij.JobExecutor.get_instance("kubernetes", config=config)
        made.append(executor)
        return executor

    yield make
    for executor in made:
        executor.close()


@pytest.fixture
def executor(make_executor):
    return make_executor()
