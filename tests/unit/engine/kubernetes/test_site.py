"""The settings of sites with Kubernetes, and what becomes of them."""

from __future__ import annotations

import pytest

from hybrid_parsl import labels
from hybrid_parsl.engine.kubernetes.site import KubernetesSettings
from hybrid_parsl.engine.site_settings import read_settings
from hybrid_parsl.errors import ConfigurationError


def read(*assignments):
    return read_settings(KubernetesSettings, "cluster", ["image=a/b:1", *assignments])


@pytest.mark.parametrize("value", ["0", "0s", "0:00:00"])
def test_a_walltime_that_is_none(value):
    with pytest.raises(ConfigurationError, match="should be at least 1s") as caught:
        read(f"walltime={value}")
    assert caught.value.key == "walltime"


def test_what_replaces_the_size_of_a_search(tmp_path):
    config = read("nodes=3", "ranks_per_node=2", "walltime=90s").parsl_config(tmp_path)
    executors = {executor.label: executor for executor in config.executors}
    assert sorted(executors) == sorted(labels.ALL)
    expected = {"num_nodes": 3, "ranks_per_node": 2, "walltime_s": 90}
    assert executors[labels.MPI].overrides == expected
