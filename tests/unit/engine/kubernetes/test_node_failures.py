"""Messages of the Kubernetes executor about lost nodes are recognized as node failures."""

from __future__ import annotations

import pytest

from hybrid_parsl.engine.jobs.future import job_failure
from hybrid_parsl.errors import NodeFailedError
from hybrid_parsl.psij_kubernetes.diagnostics import termination_of


def message(reason):
    pod = {
        "metadata": {"name": "p"},
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Failed", "reason": reason},
    }
    return termination_of(pod).message


@pytest.mark.parametrize(
    "reason",
    [
        "Evicted", "NodeLost", "NodeShutdown", "Terminated", "DeletionByTaintManager",
        "DeletionByPodGC", "EvictionByEvictionAPI", "TerminationByKubelet",
    ],
)  # fmt: skip
def test_a_lost_or_drained_node_is_a_node_failure(reason):
    assert isinstance(job_failure("1", message(reason), None, ""), NodeFailedError)


@pytest.mark.parametrize("reason", ["OOMKilled", "PreemptionByScheduler", "PodDeleted", "OutOfcpu"])
def test_other_reasons_are_not_node_failures(reason):
    assert not isinstance(job_failure("1", message(reason), None, ""), NodeFailedError)
