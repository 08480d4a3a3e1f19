"""Amounts are read as Kubernetes reads them, and summed over all pods of a job."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.psij_kubernetes.amounts import demand_of, fits, is_over_quota, quantity


@given(st.integers(0, 10**6), st.sampled_from([("", 1), ("m", 1e-3), ("Ki", 1024), ("G", 1e9)]))
def test_quantities_are_those_of_kubernetes(number, unit):
    assert quantity(f"{number}{unit[0]}") == pytest.approx(number * unit[1])


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1e9", 1e9), ("2E3", 2e3), ("1E", 1e18), ("1Ei", 2**60), ("3P", 3e15), ("1Pi", 2**50),
        ("100u", 1e-4), ("5n", 5e-9), (".5", 0.5), ("1.", 1.0), ("+2", 2.0),
    ],
)  # fmt: skip
def test_all_that_is_a_quantity_is_read(text, amount):
    assert quantity(text) == pytest.approx(amount)


@pytest.mark.parametrize("text", ["", "x", "1X", "-", "1ee3", "1 Gi"])
def test_what_is_no_quantity_is_no_reason_to_give_up(text):
    assert math.isnan(quantity(text))
    node = {"status": {"allocatable": {"cpu": "1"}}}
    pod = {"spec": {"containers": [{"resources": {"requests": {"cpu": text}}}]}}
    assert fits(pod, node)
    words = f"exceeded quota: q, requested: cpu={text}x, used: cpu=1, limited: cpu=2"
    assert not is_over_quota(words, {})


def test_a_pod_fits_a_node_that_has_all_it_needs():
    node = {"status": {"allocatable": {"cpu": "4", "memory": "8Gi"}}}

    def needs(**requests):
        return {"spec": {"containers": [{"resources": {"requests": requests}}] * 2}}

    assert fits(needs(cpu="2", memory="4Gi"), node)
    assert not fits(needs(cpu="2100m"), node)
    assert not fits(needs(**{"nvidia.com/gpu": "1"}), node)


def replicas(n_pods, **resources):
    pod = {"containers": [{"resources": resources}]}
    return {"replicas": n_pods, "template": {"spec": pod}}


def test_a_job_asks_for_what_all_of_its_pods_ask_for():
    launcher = replicas(1, requests={"cpu": "100m", "memory": "64Mi"})
    worker = replicas(3, requests={"cpu": "2"}, limits={"memory": "1Gi", "nvidia.com/gpu": "1"})
    job = {"spec": {"mpiReplicaSpecs": {"Launcher": launcher, "Worker": worker}}}
    found, workers = demand_of(job), demand_of(job, "Worker")
    assert found["pods"] == found["count/pods"] == 4
    assert (workers["pods"], workers["cpu"]) == (3, 6)
    assert found["cpu"] == found["requests.cpu"] == pytest.approx(6.1)
    assert found["memory"] == 3 * 2**30 + 64 * 2**20
    assert found["requests.nvidia.com/gpu"] == 3
    assert found["limits.memory"] == 3 * 2**30
    assert demand_of({"spec": {"template": {"spec": {}}}})["pods"] == 1


@pytest.mark.parametrize(
    ("requested", "demand", "is_over"),
    [
        ("pods=1", {"pods": 2}, False),
        ("pods=1", {"pods": 3}, True),  # its own pods would fill it
        ("pods=3", {}, True),  # a LimitRange may say so
        ("limits.memory=1Gi", {"pods": 3}, False),
    ],
)
def test_more_than_a_whole_quota_is_seen(requested, demand, is_over):
    limited = "pods=2,limits.memory=2Gi"
    words = f"exceeded quota: q, requested: {requested}, used: pods=1, limited: {limited}"
    assert is_over_quota(words, demand) == is_over
