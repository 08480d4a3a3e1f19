"""A driver inside the cluster, with the rights that our manifests give it and no others."""

from __future__ import annotations

import json
import time
import tomllib

import pytest
from command import ROOT

NAMESPACE = "inside"
# the cluster has no proxy for services: the API server is reached at the node
API_SERVER = {"KUBERNETES_SERVICE_HOST": "10.99.0.2", "KUBERNETES_SERVICE_PORT": "6443"}
PATIENCE_S = 150


@pytest.fixture
def namespace(kubernetes):
    kubernetes.kubectl("create", "namespace", NAMESPACE)
    rights = ROOT / "containers" / "kubernetes" / "rbac.yaml"
    kubernetes.kubectl("apply", "--namespace", NAMESPACE, "--filename", str(rights))
    yield NAMESPACE
    kubernetes.kubectl("delete", "namespace", NAMESPACE, limit_s=120)


def driver(site, words):
    volumes = tomllib.loads(f"found = {site['HYBRID_PARSL_K8S_VOLUMES']}")["found"]
    modules = tomllib.loads(f"found = {site['HYBRID_PARSL_K8S_ENVIRONMENT']}")["found"]
    variables = {key: value for key, value in site.items() if key.startswith("HYBRID_PARSL")}
    variables |= {**modules, **API_SERVER, "HOME": "/tmp"}
    container = {
        "name": "driver",
        "image": site["HYBRID_PARSL_K8S_IMAGE"],
        "imagePullPolicy": "Never",
        "args": words,
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "volumeMounts": [{key: each[key] for key in ("name", "mountPath")} for each in volumes],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "driver"},
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": "hybrid-parsl-driver",
            "containers": [container],
            "volumes": [{key: each[key] for key in ("name", "hostPath")} for each in volumes],
        },
    }


def test_a_driver_inside_the_cluster(kubernetes, kubernetes_site, namespace):
    words = ["hybrid-parsl", "run", "bell", "--site", "k8s", "--runs-dir", "/tmp/runs"]
    of_it = ("--namespace", namespace)
    pod = json.dumps(driver(kubernetes_site, words))
    kubernetes.kubectl("create", *of_it, "--filename", "-", given=pod)
    deadline = time.monotonic() + PATIENCE_S
    phase = ("get", "pod", "driver", *of_it, "--output", "jsonpath={.status.phase}")
    while (found := kubernetes.kubectl(*phase)) not in ("Succeeded", "Failed"):
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    log = kubernetes.kubectl("logs", "driver", *of_it)
    assert found == "Succeeded", log
    assert "best energy" in log
    left = kubernetes.kubectl("get", "mpijobs,jobs", *of_it, "--output", "name")
    assert left == ""
