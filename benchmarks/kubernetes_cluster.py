"""What a run costs on a real cluster besides its pods.

    python benchmarks/kubernetes_cluster.py [--repetitions 3] [EXPERIMENT]

The cluster of one node, the stand-in for the MPI Operator and the image are those of the tests.
In turn, the experiment is run on the site k8s, and then the three objects that this run has made
are made again by hand: `kubectl create`, and `kubectl wait` for the end, one after the other. The
difference is what the driver, Parsl, PSI/J and the executor add.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from container_image import ContainerImage  # noqa: E402
from kubernetes_cluster import KubernetesCluster  # noqa: E402

ENDS = {"MPIJob": "Succeeded", "Job": "Complete"}


def run_workflow(cluster: KubernetesCluster, image: str, experiment: str) -> float:
    """Run the experiment on the site k8s, whose jobs are kept; return the seconds."""
    settings = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "HYBRID_PARSL_K8S_IMAGE": image,
        "HYBRID_PARSL_K8S_IMAGE_PULL_POLICY": "Never",
        "HYBRID_PARSL_K8S_KEEP": "all",
    }
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, str(ROOT / "run.py"), experiment, "--no-cache", "--site", "k8s"]
        begun = time.perf_counter()
        subprocess.run(
            [*command, "--quiet", "--runs-dir", runs], env={**os.environ, **settings}, check=True
        )
        return time.perf_counter() - begun


def made_objects(cluster: KubernetesCluster) -> list[list[dict[str, Any]]]:
    """Return each job that the run has made, in its order, with the Secret of its inputs."""
    found = json.loads(cluster.kubectl("get", "mpijobs,jobs,secrets", "-o", "json"))["items"]
    jobs = [
        thing
        for thing in found
        if thing["kind"] in ENDS and "ownerReferences" not in thing["metadata"]
    ]
    secrets = [thing for thing in found if thing["metadata"]["name"].find("-inputs-") > 0]
    jobs.sort(key=lambda thing: thing["metadata"]["creationTimestamp"])
    return [
        [job, *(each for each in secrets if _owner(each) == job["metadata"]["uid"])] for job in jobs
    ]


def _owner(thing: dict[str, Any]) -> str:
    return str(thing["metadata"].get("ownerReferences", [{}])[0].get("uid"))


def as_new(thing: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object without what the cluster has put in, its job under another name."""
    kept = {key: thing[key] for key in thing if key not in ("metadata", "status")}
    metadata = thing["metadata"]
    kept["metadata"] = {key: metadata[key] for key in ("name", "namespace", "labels")}
    if kept["kind"] == "Job":
        kept["spec"].pop("selector", None)
        for label in ("controller-uid", "job-name"):
            kept["spec"]["template"]["metadata"]["labels"].pop(label, None)
            kept["metadata"]["labels"].pop(label, None)
    renamed: dict[str, Any] = json.loads(json.dumps(kept).replace(name, f"h-{name}"))
    return renamed


def run_by_hand(cluster: KubernetesCluster, steps: list[list[dict[str, Any]]]) -> float:
    """Make the same objects with kubectl, one job after the other; return the seconds."""
    begun = time.perf_counter()
    for things in steps:
        job = things[0]
        name = job["metadata"]["name"]
        new = [as_new(thing, name) for thing in things]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": new})
        cluster.kubectl("create", "-f", "-", given=text)
        condition = f"--for=condition={ENDS[job['kind']]}"
        where = f"{job['kind'].lower()}/h-{name}"
        cluster.kubectl("wait", where, condition, "--timeout=300s", limit_s=310)
    return time.perf_counter() - begun


def main() -> None:
    """Measure both in turn."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("experiment", nargs="?", default="maxcut")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    image = ContainerImage.build()
    cluster = KubernetesCluster.start()
    differences = []
    try:
        cluster.import_image(image.archive())
        for _ in range(options.repetitions):
            workflow_s = run_workflow(cluster, image.name, options.experiment)
            hand_s = run_by_hand(cluster, made_objects(cluster))
            differences.append(workflow_s - hand_s)
            print(f"run {workflow_s:.1f} s, by hand {hand_s:.1f} s: {differences[-1]:+.1f} s")
            cluster.kubectl("delete", "mpijobs,jobs", "--all")
    finally:
        cluster.stop()
    print(f"median of {len(differences)}: {statistics.median(differences):+.1f} s (target 3 s)")


if __name__ == "__main__":
    main()
