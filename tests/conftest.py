"""Fixtures that every tier of the tests shares."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from services import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from globus_services import GlobusServices
    from kubernetes_api import KubernetesApi
    from kubernetes_cluster import KubernetesCluster
    from prefect_server import PrefectServer
    from slurm_cluster import SlurmCluster

SUPPORT = Path(__file__).parent / "support"

_ONCE = {"kubernetes", "globus"}

COMPILE = """
from hybrid_parsl.simulate.alternating import compile_kernels
compile_kernels("{}", real_costs=True)
"""


def pytest_configure(config: pytest.Config) -> None:
    """Let the processes that tests start import the modules in tests/support, as tests do.

    Before pytest-xdist starts its workers, the kernels are compiled: once, not by each of them.
    """
    earlier = os.environ.get("PYTHONPATH")
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp()  # no settings of whoever runs the tests
    os.environ["PYTHONPATH"] = os.pathsep.join([str(SUPPORT), *([earlier] if earlier else [])])
    if getattr(config.option, "numprocesses", None):
        commands = [[sys.executable, "-c", COMPILE.format(each)] for each in ("double", "single")]
        compilers = [subprocess.Popen(command) for command in commands]
        assert [each.wait() for each in compilers] == [0, 0]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests of a service that can be there only once run in one process of pytest-xdist."""
    for item in items:
        for service in _ONCE & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(service))
        _name_group(item)


def _name_group(item: pytest.Item) -> None:
    """Put the group of a test into its id, where pytest-xdist 3.8 misses it since pytest 9.2."""
    groups = sorted({mark.args[0] for mark in item.iter_markers("xdist_group")})
    if groups and getattr(item.config.option, "loadgroup", False) and hasattr(item, "_id"):
        item._id = type(item._id).parse(f"{item.nodeid}@{'_'.join(groups)}")


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


@pytest.fixture(scope="session")
def k8s(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesApi]:
    """Start a small API server whose pods run on this machine, in folders of their own."""
    from kubernetes_api import KubernetesApi
    from pod_runner import PodRunner

    if "k8s" not in os.environ.get("HYBRID_PARSL_REQUIRE", "").split(","):
        pytest.skip("set HYBRID_PARSL_REQUIRE=k8s")
    folder = tmp_path_factory.mktemp("kubernetes")
    api = KubernetesApi()
    runner = PodRunner(api, root=folder / "pods")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(api.kubeconfig(folder / "config")))
        patch.setenv("HYBRID_PARSL_K8S_IMAGE", "image")
        patch.setenv("HYBRID_PARSL_K8S_PYTHON", sys.executable)
        yield api
    runner.close()
    api.stop()


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[KubernetesCluster]:
    """Start a real cluster of one node; the current context is its administrator's."""
    from kubernetes_cluster import PACKAGES, KubernetesCluster, kubernetes_can_run

    if "kubernetes" not in os.environ.get("HYBRID_PARSL_REQUIRE", "").split(","):
        pytest.skip(f"set HYBRID_PARSL_REQUIRE=kubernetes, and install {PACKAGES}")
    require("kubernetes", PACKAGES, available=kubernetes_can_run())
    cluster = KubernetesCluster.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def globus() -> Iterator[GlobusServices]:
    """Start RabbitMQ and the stand-in for Globus' web service, in a network of their own."""
    from globus_services import PACKAGES, GlobusServices, globus_is_installed

    if "globus" not in os.environ.get("HYBRID_PARSL_REQUIRE", "").split(","):
        pytest.skip(f"set HYBRID_PARSL_REQUIRE=globus, and install {PACKAGES}")
    require("globus", PACKAGES, available=globus_is_installed())
    services = GlobusServices.start()
    yield services
    services.stop()


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[PrefectServer]:
    """Start a Prefect server; Prefect's commands and flows find it."""
    from prefect_server import PACKAGE, PrefectServer

    require("prefect", PACKAGE, available=importlib.util.find_spec("prefect") is not None)
    server = PrefectServer.begin()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.variables.items():
            patch.setenv(name, value)
        yield server
    server.stop()
