"""A driver inside the cluster, as our manifests have it, with no rights but theirs."""

from __future__ import annotations

import json
import shutil
import time

import pytest
import yaml
from command import ROOT
from waiting import PATIENCE_S

NAMESPACE = "hybrid-parsl"
OF_IT = ("--namespace", NAMESPACE)
# the cluster has no proxy for services: the API server is reached at the node
API_SERVER = {"KUBERNETES_SERVICE_HOST": "10.99.0.2", "KUBERNETES_SERVICE_PORT": "6443"}


@pytest.fixture
def objects(kubernetes, kubernetes_site, tmp_path):
    """Return the objects of the folder with the manifests, edited as its user is told to."""
    folder = tmp_path / "manifests"
    shutil.copytree(ROOT / "containers" / "kubernetes", folder)
    file = folder / "kustomization.yaml"
    words = yaml.safe_load(file.read_text())
    image, _, tag = kubernetes_site["HYBRID_PARSL_K8S_IMAGE"].rpartition(":")
    words["images"][0] |= {"newName": image, "newTag": tag}
    settings = {key: value for key, value in kubernetes_site.items() if "HYBRID_PARSL" in key}
    words["configMapGenerator"][0]["literals"] = [
        f"{name}={value}" for name, value in {**settings, **API_SERVER}.items()
    ]
    file.write_text(yaml.safe_dump(words))
    return list(yaml.safe_load_all(kubernetes.kubectl("kustomize", str(folder))))


@pytest.fixture
def runs(kubernetes, tmp_path):
    """Return the folder of the volume with the runs, which nobody provides in this cluster."""
    folder = tmp_path / "runs"
    folder.mkdir()
    folder.chmod(0o1777)  # the driver is not root, and refuses what others could replace
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "runs"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "claimRef": {"name": "hybrid-parsl-runs", "namespace": NAMESPACE},
            "hostPath": {"path": str(folder)},
        },
    }
    kubernetes.kubectl("create", "--filename", "-", given=json.dumps(volume))
    yield folder
    kubernetes.kubectl("delete", "persistentvolume", "runs", limit_s=120)


@pytest.fixture
def cron_job(kubernetes, objects, runs):  # noqa: ARG001 - its volume has to be there
    """Apply the manifests and return the CronJob."""
    for each in objects:
        if each["kind"] == "CronJob":  # the cluster is of 2020, and knows the same by this name
            each["apiVersion"] = "batch/v1beta1"
            template = each["spec"]["jobTemplate"]["spec"]["template"]["spec"]
            template["containers"][0]["imagePullPolicy"] = "Never"
    kubernetes.kubectl("apply", "--filename", "-", given=yaml.safe_dump_all(objects))
    yield "cronjob/hybrid-parsl"
    kubernetes.kubectl("delete", "namespace", NAMESPACE, limit_s=120)


def test_a_cron_job_runs_the_default_experiment_inside_the_cluster(kubernetes, cron_job, runs):
    kubernetes.kubectl("create", "job", "first", f"--from={cron_job}", *OF_IT)
    deadline = time.monotonic() + PATIENCE_S
    ends = "jsonpath={.status.conditions[*].type}"
    while not (found := kubernetes.kubectl("get", "job", "first", *OF_IT, "--output", ends)):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    log = kubernetes.kubectl("logs", "job/first", *OF_IT)
    assert found == "Complete", log
    assert "best energy" in log
    (run,) = runs.glob("*-maxcut-*")
    about = json.loads((run / "results.json").read_text())["run"]
    assert (about["status"], about["site"]) == ("completed", "k8s")
    left = kubernetes.kubectl("get", "mpijobs,jobs", *OF_IT, "--output", "name")
    assert left.split() == ["job.batch/first"]
