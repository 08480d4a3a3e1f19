"""The settings of sites with Kubernetes, and what becomes of them."""

from __future__ import annotations

import json
import os
import re

import pytest
import yaml

from hybrid_parsl import __version__, labels
from hybrid_parsl.engine.kubernetes.site import KubernetesSettings
from hybrid_parsl.engine.site_settings import read_settings
from hybrid_parsl.errors import ConfigurationError


def read(*assignments):
    return read_settings(KubernetesSettings, "cluster", ["image=a/b:1", *assignments])


@pytest.mark.parametrize("value", ["0", "0s", "0:00:00"])
def test_a_walltime_that_is_none(value):
    with pytest.raises(ConfigurationError, match="should be at least 1s") as caught:
        read(f"walltime={value}")
    assert caught.value.key == "walltime"


def test_what_replaces_the_size_of_a_search(tmp_path):
    config = read("nodes=3", "ranks_per_node=2", "walltime=90s").parsl_config(tmp_path)
    executors = {executor.label: executor for executor in config.executors}
    assert sorted(executors) == sorted(labels.ALL)
    expected = {"num_nodes": 3, "ranks_per_node": 2, "walltime_s": 90}
    assert executors[labels.MPI].overrides == expected


def preview(tmp_path, *assignments, label=labels.MPI, **resources):
    """Return the objects of a task, as the dry run shows them."""
    config = read(*assignments).parsl_config(tmp_path / "20260101-maxcut")
    (executor,) = (each for each in config.executors if each.label == label)
    asked = {"num_nodes": 2, "ranks_per_node": 2, **resources}
    files = executor.preview("search", asked).documents
    manifest, secret = yaml.safe_load_all(files["search.yaml"])
    assert secret["kind"] == "Secret"
    return manifest


def test_the_dry_run_says_what_a_search_asks_for(tmp_path, monkeypatch):
    context = {"name": "lab", "context": {"cluster": "c", "user": "u", "namespace": "quantum"}}
    kubeconfig = {
        "current-context": "lab",
        "contexts": [context],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    config = read("cores_per_rank=3", "memory_gib_per_rank=2").parsl_config(tmp_path / "r")
    (mpi,) = (each for each in config.executors if each.label == labels.MPI)
    asked = {"num_nodes": 2, "ranks_per_node": 2, "walltime_s": 90}
    first, names, sizes = mpi.preview("search", asked).headline.splitlines()
    assert first == "MPIJob in namespace quantum of the current context"
    assert re.match(r"named hybrid-parsl-search-[0-9a-f]{10}, the last 10 digits", names)
    assert sizes == "4 ranks in 2 pods, at most 0:01:30; each pod requests cpu 6, memory 4Gi"
    (manifest, secret) = yaml.safe_load_all(mpi.preview("search", asked).documents["search.yaml"])
    assert {each["metadata"]["namespace"] for each in (manifest, secret)} == {"quantum"}


def containers(manifest):
    replicas = manifest["spec"]["mpiReplicaSpecs"]
    return {
        role: replicas[role]["template"]["spec"]["containers"][0] for role in ("Launcher", "Worker")
    }


def test_each_rank_gets_what_the_experiment_asks_for(tmp_path):
    asked = {"cores_per_rank": 3, "memory_gib_per_rank": 1.5, "gpus_per_rank": 1}
    found = containers(preview(tmp_path, "gpu_resource=amd.com/gpu", **asked))
    assert found["Worker"]["resources"] == {
        "requests": {"cpu": "6", "memory": "3Gi"},
        "limits": {"memory": "3Gi", "amd.com/gpu": "2"},
    }
    assert found["Launcher"]["resources"] == {"requests": {"cpu": "100m", "memory": "64Mi"}}


def test_the_site_decides_before_the_experiment(tmp_path):
    settings = [
        "cores_per_rank=2", "core_limit_per_rank=2.5", "memory_gib_per_rank=1",
        "memory_limit_gib_per_rank=1.5", "gpus_per_rank=2",
        'launcher_resources={requests={cpu="1"}}',
    ]  # fmt: skip
    asked = {"cores_per_rank": 1, "memory_gib_per_rank": 8.0, "gpus_per_rank": 1}
    found = containers(preview(tmp_path, *settings, **asked))
    assert found["Worker"]["resources"] == {
        "requests": {"cpu": "4", "memory": "2Gi"},
        "limits": {"cpu": "5", "memory": "3Gi", "nvidia.com/gpu": "4"},
    }
    assert found["Launcher"]["resources"] == {"requests": {"cpu": "1"}}


def test_pods_request_a_core_and_some_memory_where_nothing_is_said(tmp_path):
    found = containers(preview(tmp_path))
    assert found["Worker"]["resources"] == {"requests": {"cpu": "2", "memory": "1Gi"}}
    resources = {"num_nodes": 1, "ranks_per_node": 1}
    job = preview(tmp_path, "cores_per_rank=0.25", label=labels.ANALYSIS, **resources)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": "250m", "memory": "512Mi"}}


def test_words_of_the_operator_and_of_the_cluster(tmp_path):
    manifest = preview(
        tmp_path,
        'scheduling_policy={queue="q", scheduleTimeoutSeconds=60}',
        "run_launcher_as_worker=true",
        "priority_class=high",
        'labels={team="a"}',
        'annotations={"example.org/cost"="7"}',
        "longest_wait=2h",
        "scratch_limit=3Gi",
        "walltime=1h",
    )
    spec = manifest["spec"]
    assert spec["runPolicy"]["schedulingPolicy"] == {
        "minAvailable": 1,
        "queue": "q",
        "scheduleTimeoutSeconds": 60,
    }
    assert spec["runLauncherAsWorker"] is True
    for role in ("Launcher", "Worker"):
        template = spec["mpiReplicaSpecs"][role]["template"]
        assert template["metadata"]["annotations"] == {"example.org/cost": "7"}
        assert template["metadata"]["labels"]["team"] == "a"
        assert template["spec"]["priorityClassName"] == "high"
    worker = spec["mpiReplicaSpecs"]["Worker"]["template"]["spec"]
    assert worker["activeDeadlineSeconds"] == 3 * 3600
    (tmp,) = (each for each in worker["volumes"] if each["name"] == "psij-tmp")
    assert tmp["emptyDir"]["sizeLimit"] == "3Gi"


def test_all_objects_say_what_they_belong_to_and_not_where_it_is(tmp_path):
    manifest = preview(tmp_path)
    replicas = manifest["spec"]["mpiReplicaSpecs"].values()
    for each in (manifest, *(each["template"] for each in replicas)):
        found = each["metadata"]["labels"]
        assert found["app.kubernetes.io/name"] == "hybrid-parsl"
        assert found["app.kubernetes.io/part-of"] == "hybrid-parsl"
        assert found["app.kubernetes.io/instance"] == "20260101-maxcut"
        assert found["app.kubernetes.io/version"] == __version__
        assert found["app.kubernetes.io/component"]
        annotations = json.dumps(each["metadata"].get("annotations"))
        assert os.uname().nodename not in annotations
        assert str(tmp_path) not in annotations


@pytest.mark.parametrize(
    ("assignment", "key"),
    [
        ("scheduling_policy={minAvailabel=1}", "scheduling_policy.minAvailabel"),
        ("scheduling_policy={minAvailable=0}", "scheduling_policy.minAvailable"),
        ("launcher_resources={cpu={}}", "launcher_resources"),
        ("memory_limit_gib_per_rank=0", "memory_limit_gib_per_rank"),
        ("longest_wait=0s", "longest_wait"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(assignment, key):
    with pytest.raises(ConfigurationError) as caught:
        read(assignment)
    assert key in f"{caught.value.key} {caught.value}"


def test_a_limit_below_the_request_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ConfigurationError, match=r"4Gi memory.*limit of 2Gi"):
        preview(tmp_path, "memory_gib_per_rank=2", "memory_limit_gib_per_rank=1")
