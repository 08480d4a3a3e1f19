"""Diagnosis of pods, conditions and quotas."""

from __future__ import annotations

import pytest

from hybrid_parsl.psij_kubernetes.diagnostics import (
    Patience,
    creation_problem,
    exceeds_quota,
    fits_node,
    resource_demand,
    start_problem,
    termination_of,
    true_conditions,
    unschedulable,
)


def pod(phase="Pending", *, state=None, init=None, **status):
    found = {"phase": phase, **status}
    if state is not None:
        found["containerStatuses"] = [{"name": "job", "state": state}]
    if init is not None:
        found["initContainerStatuses"] = [{"name": "setup", "state": init}]
    limits = {"resources": {"limits": {"memory": "1Gi"}}}
    spec = {"nodeName": "n1", "containers": [{"name": "job", **limits}]}
    return {"metadata": {"name": "p"}, "spec": spec, "status": found}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    ("state", "patience"),
    [
        (waiting("ContainerCreating"), None),
        (waiting("PodInitializing"), None),
        (waiting("InvalidImageName"), Patience.NONE),
        (waiting("ErrImagePull", "unauthorized: login first"), Patience.NONE),
        (waiting("ErrImagePull", "i/o timeout"), Patience.LIMITED),
        (waiting("ImagePullBackOff", "Back-off"), Patience.LIMITED),
        (waiting("CreateContainerConfigError", 'secret "x" not found'), Patience.LIMITED),
        ({"running": {}}, None),
    ],
)
def test_permanent_container_problems_have_no_patience(state, patience):
    found = start_problem(pod(state=state))
    assert (found.patience if found else None) == patience


def test_problem_of_an_init_container_is_found():
    assert start_problem(pod(init=waiting("ErrImageNeverPull"))).reason == "ErrImageNeverPull"


def test_running_or_finished_pod_has_no_start_problem():
    for phase in ("Running", "Succeeded", "Failed"):
        assert start_problem(pod(phase, state=waiting("ErrImagePull"))) is None


@pytest.mark.parametrize(
    ("message", "patience"),
    [
        ("0/3 nodes are available: 3 Insufficient cpu.", Patience.UNLIMITED),
        ("0/3 nodes are available: 1 Insufficient memory, 2 had taint {x}.", Patience.UNLIMITED),
        ("0/3 nodes are available: 3 Too many pods.", Patience.UNLIMITED),
        ("0/3 nodes are available: 3 node(s) didn't match node selector.", Patience.LIMITED),
        (
            "0/1 nodes are available: 1 had untolerated taint {gpu: }. preemption: 0/1 is busy",
            Patience.LIMITED,
        ),
        ('persistentvolumeclaim "data" not found', Patience.LIMITED),
    ],
)
def test_full_nodes_have_unlimited_patience_and_excluded_ones_not(message, patience):
    assert unschedulable(message).patience is patience


@pytest.mark.parametrize(
    ("amounts", "patience"),
    [
        ("requested: cpu=5, used: cpu=0, limited: cpu=4", Patience.NONE),
        ("requested: cpu=500m, used: cpu=4, limited: cpu=4", Patience.UNLIMITED),
        ("requested: memory=2Gi, used: memory=0, limited: memory=2000Mi", Patience.NONE),
        ("requested: cpu=1,memory=3Gi, used: cpu=1,memory=0, limited: cpu=4,memory=2Gi",
         Patience.NONE),
        ("requested: pods=1, used: pods=9, limited: pods=9", Patience.UNLIMITED),
    ],
)  # fmt: skip
def test_quota_is_compared_with_the_request(amounts, patience):
    found = creation_problem(f'pods "x" is forbidden: exceeded quota: compute, {amounts}', {})
    assert (found.reason, found.patience) == ("QuotaExceeded", patience)


@pytest.mark.parametrize(
    "message",
    [
        'Pod "x" is invalid: spec.dnsPolicy',
        'violates PodSecurity "restricted:latest"',
        "failed quota: q: must specify requests.cpu",
    ],
)
def test_forbidden_pod_is_a_permanent_problem(message):
    assert creation_problem(message, {}).patience is Patience.NONE


def test_other_creation_failures_may_be_temporary():
    assert creation_problem("serviceaccount not found", {}).patience is Patience.LIMITED


def ended(code, reason="Error", **more):
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


@pytest.mark.parametrize(
    ("thing", "code", "reason", "words"),
    [
        (pod("Succeeded", state=ended(0, "Completed")), 0, "", ""),
        (pod("Failed", state=ended(3)), 3, "", ""),
        (pod("Failed", state=ended(137, "OOMKilled")), 137, "OOMKilled", "limit: 1Gi"),
        (pod("Failed", reason="Evicted", message="low on disk"), None, "Evicted", "low on disk"),
        (
            pod("Failed", state=ended(128, "StartError", message="no such file")),
            128,
            "StartError",
            "no such file",
        ),
        (pod("Failed", init=ended(2)), None, "InitFailed", "setup: exit code 2"),
        (pod("Failed", reason="OutOfcpu", message="no cpu"), None, "OutOfcpu", "no cpu"),
    ],
)
def test_termination_has_exit_code_and_reason(thing, code, reason, words):
    found = termination_of(thing)
    assert (found.exit_code, found.reason) == (code, reason)
    assert words in found.message


def test_running_pod_has_no_termination():
    assert termination_of(pod("Running", state={"running": {}})) is None


def test_only_true_conditions_are_returned():
    status = {"conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "False"}]}
    assert set(true_conditions({"status": status})) == {"A"}


@pytest.mark.parametrize("text", ["", "x", "1X", "-", "1ee3", "1 Gi"])
def test_an_invalid_quantity_fails_no_job(text):
    node = {"status": {"allocatable": {"cpu": "1"}}}
    pod = {"spec": {"containers": [{"resources": {"requests": {"cpu": text}}}]}}
    assert fits_node(pod, node)
    message = f"exceeded quota: q, requested: cpu={text}x, used: cpu=1, limited: cpu=2"
    assert not exceeds_quota(message, {})


def test_pod_fits_a_node_with_enough_resources():
    node = {"status": {"allocatable": {"cpu": "4", "memory": "8Gi"}}}

    def needs(**requests):
        return {"spec": {"containers": [{"resources": {"requests": requests}}] * 2}}

    assert fits_node(needs(cpu="2", memory="4Gi"), node)
    assert not fits_node(needs(cpu="2100m"), node)
    assert not fits_node(needs(**{"nvidia.com/gpu": "1"}), node)


def replicas(n_pods, **resources):
    pod = {"containers": [{"resources": resources}]}
    return {"replicas": n_pods, "template": {"spec": pod}}


def test_resource_demand_is_the_sum_over_all_pods():
    launcher = replicas(1, requests={"cpu": "100m", "memory": "64Mi"})
    worker = replicas(3, requests={"cpu": "2"}, limits={"memory": "1Gi", "nvidia.com/gpu": "1"})
    job = {"spec": {"mpiReplicaSpecs": {"Launcher": launcher, "Worker": worker}}}
    found, workers = resource_demand(job), resource_demand(job, "Worker")
    assert found["pods"] == found["count/pods"] == 4
    assert (workers["pods"], workers["cpu"]) == (3, 6)
    assert found["cpu"] == found["requests.cpu"] == pytest.approx(6.1)
    assert found["memory"] == 3 * 2**30 + 64 * 2**20
    assert found["requests.nvidia.com/gpu"] == 3
    assert found["limits.memory"] == 3 * 2**30
    assert resource_demand({"spec": {"template": {"spec": {}}}})["pods"] == 1


@pytest.mark.parametrize(
    ("requested", "demand", "is_over"),
    [
        ("pods=1", {"pods": 2}, False),
        ("pods=1", {"pods": 3}, True),  # its own pods would fill it
        ("pods=3", {}, True),  # a LimitRange may say so
        ("limits.memory=1Gi", {"pods": 3}, False),
    ],
)
def test_demand_beyond_a_whole_quota_is_detected(requested, demand, is_over):
    limited = "pods=2,limits.memory=2Gi"
    words = f"exceeded quota: q, requested: {requested}, used: pods=1, limited: {limited}"
    assert exceeds_quota(words, demand) == is_over
