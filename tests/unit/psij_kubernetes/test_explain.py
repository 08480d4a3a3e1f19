"""The states of a pod, and what is said about them."""

from __future__ import annotations

import pytest

from hybrid_parsl.psij_kubernetes.explain import (
    Patience,
    conditions,
    end_of,
    not_created,
    trouble_of,
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
        (waiting("ErrImagePull", "i/o timeout"), Patience.SOME),
        (waiting("ImagePullBackOff", "Back-off"), Patience.SOME),
        (waiting("CreateContainerConfigError", 'secret "x" not found'), Patience.SOME),
        ({"running": {}}, None),
    ],
)
def test_only_what_cannot_pass_is_hopeless(state, patience):
    found = trouble_of(pod(state=state))
    assert (found.patience if found else None) == patience


def test_an_init_container_can_be_the_trouble():
    assert trouble_of(pod(init=waiting("ErrImageNeverPull"))).reason == "ErrImageNeverPull"


def test_a_pod_that_runs_or_has_ended_has_no_trouble():
    for phase in ("Running", "Succeeded", "Failed"):
        assert trouble_of(pod(phase, state=waiting("ErrImagePull"))) is None


@pytest.mark.parametrize(
    ("message", "patience"),
    [
        ("0/3 nodes are available: 3 Insufficient cpu.", Patience.ANY),
        ("0/3 nodes are available: 1 Insufficient memory, 2 had taint {x}.", Patience.ANY),
        ("0/3 nodes are available: 3 Too many pods.", Patience.ANY),
        ("0/3 nodes are available: 3 node(s) didn't match node selector.", Patience.SOME),
        (
            "0/1 nodes are available: 1 had untolerated taint {gpu: }. preemption: 0/1 is busy",
            Patience.SOME,
        ),
        ('persistentvolumeclaim "data" not found', Patience.SOME),
    ],
)
def test_a_full_cluster_is_waited_for_and_a_wrong_one_is_not(message, patience):
    assert unschedulable(message).patience is patience


@pytest.mark.parametrize(
    ("amounts", "patience"),
    [
        ("requested: cpu=5, used: cpu=0, limited: cpu=4", Patience.NONE),
        ("requested: cpu=500m, used: cpu=4, limited: cpu=4", Patience.ANY),
        ("requested: memory=2Gi, used: memory=0, limited: memory=2000Mi", Patience.NONE),
        ("requested: cpu=1,memory=3Gi, used: cpu=1,memory=0, limited: cpu=4,memory=2Gi",
         Patience.NONE),
        ("requested: pods=1, used: pods=9, limited: pods=9", Patience.ANY),
    ],
)  # fmt: skip
def test_a_quota_is_compared_with_what_is_asked(amounts, patience):
    found = not_created(f'pods "x" is forbidden: exceeded quota: compute, {amounts}', {})
    assert (found.reason, found.patience) == ("QuotaExceeded", patience)


@pytest.mark.parametrize(
    "message",
    [
        'Pod "x" is invalid: spec.dnsPolicy',
        'violates PodSecurity "restricted:latest"',
        "failed quota: q: must specify requests.cpu",
    ],
)
def test_a_pod_against_the_rules_never_may_be_made(message):
    assert not_created(message, {}).patience is Patience.NONE


def test_other_refusals_of_a_pod_may_pass():
    assert not_created("serviceaccount not found", {}).patience is Patience.SOME


def ended(code, reason="Error", **more):
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


@pytest.mark.parametrize(
    ("thing", "code", "reason", "words"),
    [
        (pod("Succeeded", state=ended(0, "Completed")), 0, "", ""),
        (pod("Failed", state=ended(3)), 3, "", ""),
        (pod("Failed", state=ended(137, "OOMKilled")), 137, "OOMKilled", "the limit is 1Gi"),
        (pod("Failed", reason="Evicted", message="low on disk"), None, "Evicted", "low on disk"),
        (
            pod("Failed", state=ended(128, "StartError", message="no such file")),
            128,
            "StartError",
            "no such file",
        ),
        (pod("Failed", init=ended(2)), None, "InitFailed", "setup ended with exit code 2"),
        (pod("Failed", reason="OutOfcpu", message="no cpu"), None, "OutOfcpu", "no cpu"),
    ],
)
def test_an_end_has_its_code_and_its_reason(thing, code, reason, words):
    found = end_of(thing)
    assert (found.exit_code, found.reason) == (code, reason)
    assert words in found.message


def test_a_pod_that_runs_has_not_ended():
    assert end_of(pod("Running", state={"running": {}})) is None


def test_only_conditions_that_are_true_count():
    status = {"conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "False"}]}
    assert set(conditions({"status": status})) == {"A"}
