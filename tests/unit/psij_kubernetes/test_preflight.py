"""What is found out about a cluster before anything runs."""

from __future__ import annotations

import pytest
from psij import InvalidJobException, Job, JobAttributes, JobSpec, ResourceSpecV1


def by_name(checks):
    return {check.name: check for check in checks}


def test_a_cluster_that_passed_passed(executor):
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


def test_a_namespace_that_there_is_not_is_all_there_is_to_say(api, executor):
    api.namespaces = {"other"}
    *_, found = executor.check()
    assert (found.name, found.passed) == ("namespace", False)
    assert 'namespaces "default" not found' in found.detail


def test_who_may_not_ask_for_the_namespace_is_not_kept_back(api, executor):
    api.fail("GET", "/namespaces/default$", 403)
    found = by_name(executor.check())
    assert found["namespace"].passed is None
    assert found["rights on jobs"].passed


def test_a_cluster_without_the_operator_is_told(api, executor):
    api.has_mpi = False
    found = by_name(executor.check())
    assert found["MPI Operator"].passed is False
    assert "rights on mpijobs" not in found


def test_quotas_are_shown(api, executor):
    status = {"hard": {"cpu": "4", "pods": "10"}, "used": {"cpu": "4", "pods": "1"}}
    api.quotas.append({"metadata": {"name": "small"}, "status": status})
    found = by_name(executor.check())["quota small"]
    assert (found.passed, found.detail) == (False, "cpu 4 of 4, pods 1 of 10")


def test_a_dry_run_makes_nothing(api, executor):
    spec = JobSpec("true", launcher="mpirun", resources=ResourceSpecV1(process_count=2))
    assert by_name(executor.check(spec))["dry run of mpijob"].passed
    assert api.store.all("mpijobs") == []
    api.fail("POST", "/mpijobs", 422, message="spec.x: Invalid value")
    assert "Invalid value" in by_name(executor.check(spec))["dry run of mpijob"].detail


def test_a_job_that_asks_for_nothing_special_can_be_tried(executor):
    assert by_name(executor.check(JobSpec("true")))["dry run of job"].passed


def test_a_server_that_is_away_is_all_there_is_to_say(api, make_executor):
    executor = make_executor(retry_s=0.2)
    api.stop()
    (check,) = executor.check()
    assert (check.name, check.passed) == ("API server", False)
    api.restart()


def test_a_job_on_one_process_does_not_ask_for_the_operator(api, executor):
    api.has_mpi = False
    found = by_name(executor.check(JobSpec("true")))
    assert "MPI Operator" not in found
    assert found["dry run of job"].passed


def test_the_missing_operator_is_named_as_a_submission_names_it(api, executor):
    api.has_mpi = False
    spec = JobSpec("true", launcher="mpirun", resources=ResourceSpecV1(process_count=2))
    with pytest.raises(InvalidJobException) as caught:
        executor.submit(Job(spec))
    assert "install the Kubeflow MPI Operator" in caught.value.message
    found = by_name(executor.check(spec))
    assert found["MPI Operator"].detail == caught.value.message
    assert "dry run of mpijob" not in found


def test_the_inputs_of_a_job_are_tried_as_well(api, executor):
    attributes = JobAttributes(custom_attributes={"kubernetes.inputs": {"a": b"x"}})
    spec = JobSpec("true", attributes=attributes)
    assert by_name(executor.check(spec))["dry run of job"].passed
    api.fail("POST", "/secrets", 403, message="secrets is forbidden")
    found = by_name(executor.check(spec))["dry run of secret"]
    assert (found.passed, "secrets is forbidden" in found.detail) == (False, True)
    assert api.store.all("secrets") == []


def test_an_answer_is_not_waited_for_longer_than_the_executor_is_patient(api, make_executor):
    executor = make_executor(retry_s=1.0)
    api.fail("GET", "/version", "silent", times=9)
    (check,) = executor.check()
    assert (check.name, check.passed) == ("API server", False)
