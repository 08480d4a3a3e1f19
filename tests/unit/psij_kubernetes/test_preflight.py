"""Checks of a cluster before anything runs."""

from __future__ import annotations

import pytest
from psij import InvalidJobException, Job, JobAttributes, JobSpec, ResourceSpecV1


def by_name(checks):
    return {check.name: check for check in checks}


def test_all_checks_pass_on_a_working_cluster(executor):
    found = by_name(executor.check())
    assert all(check.passed for check in found.values()), found
    assert found["API server"].detail == "v1.36.0"
    assert found["rights on jobs"].detail == "create, get, list, watch, delete"


def test_a_missing_right_is_named(api, executor):
    api.denied |= {("create", "secrets"), ("watch", "pods"), ("list", "pods")}
    found = by_name(executor.check())
    assert found["rights on pods"].detail == "not allowed in namespace default: list, watch"
    assert found["rights on secrets"].passed is False
    assert found["rights on jobs"].passed


def test_missing_namespace_ends_the_checks(api, executor):
    api.namespaces = {"other"}
    *_, found = executor.check()
    assert (found.name, found.passed) == ("namespace", False)
    assert 'namespaces "default" not found' in found.detail


def test_unreadable_namespace_is_unknown(api, executor):
    api.fail("GET", "/namespaces/default$", 403)
    found = by_name(executor.check())
    assert found["namespace"].passed is None
    assert found["rights on jobs"].passed


def test_missing_operator_fails_its_check(api, executor):
    api.has_mpi = False
    found = by_name(executor.check())
    assert found["MPI Operator"].passed is False
    assert "rights on mpijobs" not in found


def test_quotas_are_shown(api, executor):
    status = {"hard": {"cpu": "4", "pods": "10"}, "used": {"cpu": "4", "pods": "1"}}
    api.quotas.append({"metadata": {"name": "small"}, "status": status})
    found = by_name(executor.check())["quota small"]
    assert (found.passed, found.detail) == (False, "cpu 4 of 4, pods 1 of 10")


def test_dry_run_creates_nothing(api, executor):
    spec = JobSpec("true", launcher="mpirun", resources=ResourceSpecV1(process_count=2))
    assert by_name(executor.check(spec))["dry run of mpijob"].passed
    assert api.store.all("mpijobs") == []
    api.fail("POST", "/mpijobs", 422, message="spec.x: Invalid value")
    assert "Invalid value" in by_name(executor.check(spec))["dry run of mpijob"].detail


def test_dry_run_of_a_plain_job_passes(executor):
    assert by_name(executor.check(JobSpec("true")))["dry run of job"].passed


def test_unreachable_server_ends_the_checks(api, make_executor):
    executor = make_executor(retry_s=0.2)
    api.stop()
    (check,) = executor.check()
    assert (check.name, check.passed) == ("API server", False)
    api.restart()


def test_job_with_one_process_does_not_need_the_operator(api, executor):
    api.has_mpi = False
    found = by_name(executor.check(JobSpec("true")))
    assert "MPI Operator" not in found
    assert found["dry run of job"].passed


def test_missing_operator_has_the_message_of_a_submission(api, executor):
    api.has_mpi = False
    spec = JobSpec("true", launcher="mpirun", resources=ResourceSpecV1(process_count=2))
    with pytest.raises(InvalidJobException) as caught:
        executor.submit(Job(spec))
    assert "install the Kubeflow MPI Operator" in caught.value.message
    found = by_name(executor.check(spec))
    assert found["MPI Operator"].detail == caught.value.message
    assert "dry run of mpijob" not in found


def test_dry_run_includes_the_inputs(api, executor):
    attributes = JobAttributes(custom_attributes={"kubernetes.inputs": {"a": b"x"}})
    spec = JobSpec("true", attributes=attributes)
    assert by_name(executor.check(spec))["dry run of job"].passed
    api.fail("POST", "/secrets", 403, message="secrets is forbidden")
    found = by_name(executor.check(spec))["dry run of secret"]
    assert (found.passed, "secrets is forbidden" in found.detail) == (False, True)
    assert api.store.all("secrets") == []


def test_read_timeout_is_limited_by_retry_s(api, make_executor):
    executor = make_executor(retry_s=1.0)
    api.fail("GET", "/version", "silent", times=9)
    (check,) = executor.check()
    assert (check.name, check.passed) == ("API server", False)
