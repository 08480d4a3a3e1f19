"""The settings of sites with a batch scheduler, and what becomes of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.engine.batch_site import BatchSettings
from hybrid_parsl.engine.blocks.pilot import PilotExecutor, PilotMPIExecutor
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.site_settings import read_settings
from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def read(*assignments: str) -> BatchSettings:
    return read_settings(BatchSettings, "cluster", assignments)


@pytest.mark.parametrize("key", ["walltime", "polling_interval", "idle_time"])
@pytest.mark.parametrize("value", ["0", "0s", "0:00:00"])
def test_times_that_are_none(key: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match="should be at least 1s") as caught:
        read(f"{key}={value}")
    assert caught.value.key == key


@pytest.mark.parametrize("value", [True, -5, 0.5])
def test_times_of_a_file_that_are_none(value: object) -> None:
    with pytest.raises(ConfigurationError, match="walltime"):
        read_settings(BatchSettings, "cluster", (), {"walltime": value})


def test_what_replaces_the_size_of_a_search() -> None:
    assert read().size() == {}
    found = read("nodes=3", "ranks_per_node=2", "walltime=90s").size()
    assert found == {"num_nodes": 3, "ranks_per_node": 2, "walltime_s": 90}


def test_modules_are_loaded_before_the_users_commands() -> None:
    options = read('modules=["a/1", "b"]', "worker_init=c").batch_options()
    assert options.worker_init == "module load a/1\nmodule load b\nc"


def test_a_job_for_each_search(tmp_path: Path) -> None:
    config = read("nodes=2", "polling_interval=7s").parsl_config("slurm", tmp_path)
    search, *others = config.executors
    assert isinstance(search, PsiJExecutor)
    assert (search.overrides, search.batch.polling_interval_s) == ({"num_nodes": 2}, 7)
    assert not any(isinstance(each, PilotExecutor) for each in others)
    assert config.strategy == "none"


def test_blocks_for_all(tmp_path: Path) -> None:
    settings = read("mpi=pilot", "stages=blocks", "nodes=2", "walltime=2h", "idle_time=5s")
    config = settings.parsl_config("pbs", tmp_path)
    search, *others = config.executors
    assert isinstance(search, PilotMPIExecutor)
    assert [type(each) for each in others] == [PilotExecutor, PilotExecutor]
    assert [each.provider.nodes_per_block for each in config.executors] == [2, 1, 1]
    assert {each.provider.walltime_s for each in config.executors} == {7200}
    assert timedelta(seconds=config.max_idletime) == timedelta(seconds=5)
