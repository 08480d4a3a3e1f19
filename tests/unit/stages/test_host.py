from __future__ import annotations

import os

import pytest

from hybrid_parsl.errors import ConfigurationError, InsufficientMemoryError
from hybrid_parsl.experiment import Resources
from hybrid_parsl.stages import host
from hybrid_parsl.stages.host import check_ranks_here

CORES = len(os.sched_getaffinity(0))


def test_what_fits_is_accepted() -> None:
    check_ranks_here(Resources(num_ranks=1, cores_per_rank=CORES, memory_gib_per_rank=0.001), 1)


def test_ranks_elsewhere_are_not_checked_here() -> None:
    asked = Resources(cores_per_rank=4096, memory_gib_per_rank=60_000, gpus_per_rank=64)
    check_ranks_here(asked, 0)


def test_more_cores_than_this_computer_has() -> None:
    with pytest.raises(ConfigurationError, match=f"this computer has {CORES} CPU cores") as caught:
        check_ranks_here(Resources(cores_per_rank=CORES), 2)
    assert caught.value.key == "resources.cores_per_rank"
    assert caught.value.found == f"{CORES} for each of 2 ranks"


def test_more_memory_than_is_free() -> None:
    with pytest.raises(InsufficientMemoryError, match="60000 GiB for each of 2 ranks") as caught:
        check_ranks_here(Resources(memory_gib_per_rank=60_000), 2)
    assert caught.value.key == "resources.memory_gib_per_rank"


@pytest.mark.parametrize(("present", "valid"), [(0, "a site that has them"), (1, "at most 1 in")])
def test_gpus_that_are_not_there(monkeypatch: pytest.MonkeyPatch, present: int, valid: str) -> None:
    monkeypatch.setattr(host, "_count_gpus", lambda: present)
    with pytest.raises(
        ConfigurationError, match=f"this computer has {present or 'no'} GPUs"
    ) as caught:
        check_ranks_here(Resources(gpus_per_rank=1), 2)
    assert caught.value.key == "resources.gpus_per_rank"
    assert valid in str(caught.value.valid)
