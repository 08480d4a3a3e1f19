"""Custom attributes are validated, and errors list the valid values."""

from __future__ import annotations

import pytest
from psij import InvalidJobException, JobAttributes, JobSpec

from hybrid_parsl.psij_kubernetes import JobOptions


def read(**attributes):
    spec = JobSpec("true", attributes=JobAttributes(custom_attributes=attributes))
    return JobOptions(image="default").for_job(spec)


def test_job_overrides_the_executor():
    assert read(**{"kubernetes.image": "mine"}).image == "mine"
    assert read().image == "default"


def test_attributes_of_other_executors_are_ignored():
    assert read(**{"slurm.qos": "debug"}) == JobOptions(image="default")


def test_unknown_option_suggests_a_similar_one():
    with pytest.raises(InvalidJobException, match=r"Did you mean 'kubernetes\.namespace'"):
        read(**{"kubernetes.namspace": "x"})


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("image", "", "a non-empty string"),
        ("image", 3, "a non-empty string"),
        ("node_selector", ["a"], "a dict"),
        ("volumes", "data", "a list"),
        ("ttl_s", -1, "seconds"),
        ("ttl_s", True, "seconds"),
        ("mpi", "lam", "mpich, openmpi, intel"),
        ("image_pull_policy", "sometimes", "Always"),
        ("restricted", "yes", "True, False"),
    ],
)
def test_values_of_a_wrong_type_are_rejected(name, value, valid):
    with pytest.raises(InvalidJobException, match=valid) as caught:
        read(**{f"kubernetes.{name}": value})
    assert f"kubernetes.{name}" in caught.value.message
