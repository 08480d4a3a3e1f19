"""Fixtures that every tier of the tests shares."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from services import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slurm_cluster import SlurmCluster

SUPPORT = Path(__file__).parent / "support"


def pytest_configure() -> None:
    """Let the processes that tests start import the modules in tests/support, as tests do."""
    earlier = os.environ.get("PYTHONPATH")
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp()  # no settings of whoever runs the tests
    os.environ["PYTHONPATH"] = os.pathsep.join([str(SUPPORT), *([earlier] if earlier else [])])


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmCluster]:
    """Start a Slurm cluster of four nodes; the commands of Slurm find it."""
    from slurm_cluster import PACKAGES, SlurmCluster, slurm_is_installed

    if "slurm" not in os.environ.get("HYBRID_PARSL_REQUIRE", "").split(","):
        pytest.skip(f"set HYBRID_PARSL_REQUIRE=slurm, and install {PACKAGES}")
    require("slurm", PACKAGES, available=slurm_is_installed())
    with pytest.MonkeyPatch.context() as patch:
        cluster = SlurmCluster.start()
        patch.setenv("SLURM_CONF", str(cluster.configuration))
        yield cluster
        cluster.stop()


@pytest.fixture(scope="session")
def pbs(slurm: SlurmCluster) -> Iterator[SlurmCluster]:
    """Give the same cluster the commands of PBS: Slurm's own wrappers, and a complete qstat."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYBRID_PARSL_PBS_DIALECT", "pbs_classic")
        patch.setenv("PATH", f"{SUPPORT / 'pbs'}{os.pathsep}{os.environ['PATH']}")
        yield slurm
