"""What PSI/J can be asked for."""

from __future__ import annotations

import importlib.util

import pytest

from hybrid_parsl.engine.blocks.pilot import PilotExecutor, PilotMPIExecutor
from hybrid_parsl.engine.jobs.psij_loading import check_backend
from hybrid_parsl.engine.psij_provider import PsiJProvider
from hybrid_parsl.errors import ConfigurationError


@pytest.mark.parametrize("name", ["local", "slurm", "pbs", "pbs_classic", "lsf", "cobalt"])
def test_a_backend_that_is_there(name: str) -> None:
    check_backend(name)


def test_a_backend_that_is_not_there_with_its_neighbours() -> None:
    with pytest.raises(ConfigurationError, match="no such backend") as caught:
        check_backend("slurn")
    assert "did you mean 'slurm'" in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("flux") is not None, reason="Flux is installed")
def test_a_backend_that_lacks_what_it_imports() -> None:
    with pytest.raises(ConfigurationError, match="No module named 'flux'"):
        check_backend("flux")


@pytest.mark.parametrize("kind", [PilotExecutor, PilotMPIExecutor])
def test_executors_on_blocks_check_their_backend(kind: type) -> None:
    with pytest.raises(ConfigurationError, match="no such backend"):
        kind("mpi", "tasks", PsiJProvider("nowhere")).check({})
