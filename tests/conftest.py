"""Fixtures that every tier of the tests shares."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from services import is_required, require, require_if_asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from container_image import ContainerImage
    from globus_services import GlobusServices
    from kubernetes_api import KubernetesApi
    from kubernetes_cluster import KubernetesCluster
    from prefect_server import PrefectServer
    from quantum_service import QuantumService
    from slurm_cluster import SlurmCluster

SUPPORT = Path(__file__).parent / "support"

settings.register_profile("thorough", deadline=None)  # the speed of a machine is no property
settings.register_profile("fast", settings.get_profile("thorough"), max_examples=10)
settings.load_profile("thorough" if is_required("thorough") else "fast")

_USUAL = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGTERM: signal.SIG_DFL,
}
_ONCE = ("kubernetes", "globus", "image")
_LIMIT_S = 1800
_clusters: list[KubernetesCluster] = []
"""The real cluster of this process, while it runs."""

COMPILE = """
from hybrid_parsl.simulate.precompile import compile_kernels
compile_kernels("{}", real_costs=True)
"""


def pytest_configure(config: pytest.Config) -> None:
    """Let the processes that tests start import the modules in tests/support, as tests do.

    Before pytest-xdist starts its workers, the kernels are compiled: once, not by each of them.
    A shell lets what it starts in the background ignore Ctrl-C, nohup a hang-up, and so would the
    programs under test.
    """
    for number, usual in _USUAL.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    earlier = os.environ.get("PYTHONPATH", "")
    settings = tempfile.mkdtemp()  # none of whoever runs the tests
    config.add_cleanup(lambda: shutil.rmtree(settings, ignore_errors=True))
    os.environ["XDG_CONFIG_HOME"] = settings
    os.environ["HYBRID_PARSL_CACHE"] = "0"  # or a test finds what another one has computed
    folders = [str(SUPPORT), *filter(None, earlier.split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(folders))
    if getattr(config.option, "numprocesses", None):
        commands = [[sys.executable, "-c", COMPILE.format(each)] for each in ("double", "single")]
        compilers = [subprocess.Popen(command) for command in commands]
        assert [each.wait() for each in compilers] == [0, 0]


def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are processors: many tests wait for what they have started."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests of a service that can be there only once run in one process of pytest-xdist.

    Unit tests come last: they are short, and fill what the long ones leave at the end.
    """
    items.sort(key=lambda item: item.nodeid.startswith("tests/unit/"))
    for item in items:
        parameters = getattr(item, "callspec", SimpleNamespace(params={})).params
        asked = {*getattr(item, "fixturenames", ()), *map(str, parameters.values())}
        for service in asked.intersection(_ONCE):
            item.add_marker(pytest.mark.xdist_group(service))
        if asked & {"kubernetes", "image"}:  # what is built for them may take minutes
            item.add_marker(pytest.mark.timeout(_LIMIT_S, func_only=True))
        _name_group(item)


def _groups_of(item: pytest.Item) -> list[str]:
    """Return the groups of a test."""
    return [mark.args[0] for mark in item.iter_markers("xdist_group")]


def _name_group(item: pytest.Item) -> None:
    """Put the group of a test into its id, where pytest-xdist 3.8 misses it since pytest 9.2."""
    groups = _groups_of(item)
    group = next((each for each in (*_ONCE, *groups) if each in groups), None)
    if group and getattr(item.config.option, "loadgroup", False) and hasattr(item, "_id"):
        item._id = type(item._id).parse(f"{item.nodeid}@{group}")


@pytest.fixture(scope="session")
def several_runs() -> None:
    """Skip a test of whole runs unless they are required: each takes some 10 s of one processor."""
    require_if_asked("runs", "", lambda: True)


@pytest.fixture(scope="session")
def thorough() -> None:
    """Skip a test that takes seconds of a processor, and repeats or extends a quicker one."""
    require_if_asked("thorough", "", lambda: True)


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmCluster]:
    """Start a Slurm cluster of four nodes; the commands of Slurm find it."""
    from slurm_cluster import PACKAGES, SlurmCluster, slurm_is_installed

    require_if_asked("slurm", PACKAGES, slurm_is_installed)
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
    """Start a small API server whose pods run on this machine, in folders of their own.

    Its `environment` makes it the cluster of the site k8s.
    """
    from kubernetes_api import KubernetesApi
    from pod_runner import PodRunner

    require_if_asked("k8s", "nothing else", lambda: True)
    folder = tmp_path_factory.mktemp("kubernetes")
    api = KubernetesApi()
    runner = PodRunner(api, root=folder / "pods")
    api.environment = {
        "KUBECONFIG": str(api.kubeconfig(folder / "config")),
        "HYBRID_PARSL_K8S_IMAGE": "image",
        "HYBRID_PARSL_K8S_PYTHON": sys.executable,
    }
    yield api
    runner.close()
    api.stop()


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[KubernetesCluster]:
    """Start a real cluster of one node."""
    from kubernetes_cluster import PACKAGES, KubernetesCluster, kubernetes_can_run

    require_if_asked("kubernetes", PACKAGES, kubernetes_can_run)
    cluster = KubernetesCluster.start()
    _clusters.append(cluster)
    yield cluster
    if cluster in _clusters:
        cluster.stop()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the real cluster after its last test in a process of pytest-xdist.

    Idle, it takes a quarter of a processor, and other tests may follow for half an hour.
    """
    is_worker = hasattr(item.config, "workerinput")
    if is_worker and nextitem is not None and "kubernetes" not in _groups_of(nextitem):
        while _clusters:
            _clusters.pop().stop()


@pytest.fixture(scope="session")
def image() -> ContainerImage:
    """Build our container image of the project as it is."""
    from container_image import PACKAGES, ContainerImage, containers_can_run

    require_if_asked("containers", PACKAGES, containers_can_run)
    return ContainerImage.build()


@pytest.fixture(scope="session")
def kubernetes_image(kubernetes: KubernetesCluster) -> str:
    """Build our image, give it to the real cluster, and return its name."""
    from container_image import PACKAGES, ContainerImage, containers_can_run

    require("kubernetes", PACKAGES, available=containers_can_run())
    image = ContainerImage.build()
    kubernetes.import_image(image.archive())
    return image.name


@pytest.fixture(scope="session")
def kubernetes_site(
    kubernetes: KubernetesCluster, kubernetes_image: str, shared_folder: Path
) -> dict[str, str]:
    """Return what makes the real cluster the cluster of the site k8s.

    Its pods see the modules in tests/support, and the shared folder. That keeps the compiled
    kernels: pods of their own would each compile them anew.
    """
    modules = os.environ["PYTHONPATH"]
    folders = [*modules.split(os.pathsep), shared_folder]
    volumes = ", ".join(
        f'{{name = "folder-{number}", mountPath = "{path}", hostPath = {{path = "{path}"}}}}'
        for number, path in enumerate(folders)
    )
    return {
        **kubernetes.environment,
        "HYBRID_PARSL_K8S_IMAGE": kubernetes_image,
        "HYBRID_PARSL_K8S_IMAGE_PULL_POLICY": "Never",
        "HYBRID_PARSL_K8S_CORES_PER_RANK": "0.1",  # the cluster may have two processors
        "HYBRID_PARSL_K8S_VOLUMES": f"[{volumes}]",
        "HYBRID_PARSL_K8S_ENVIRONMENT": (
            f'{{PYTHONPATH = "{modules}", NUMBA_CACHE_DIR = "{shared_folder}/numba"}}'
        ),
    }


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the pods of the real cluster see under the same path, too."""
    folder = tmp_path_factory.mktemp("shared")
    folder.chmod(0o777)  # pods are not root
    return folder


@pytest.fixture(scope="session")
def globus() -> Iterator[GlobusServices]:
    """Start RabbitMQ and the stand-in for Globus' web service, in a network of their own."""
    from globus_services import PACKAGES, GlobusServices, globus_is_installed

    require_if_asked("globus", PACKAGES, globus_is_installed)
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


@pytest.fixture(scope="session")
def _quantum_service() -> Iterator[QuantumService]:
    from quantum_service import PACKAGE, QuantumService

    available = importlib.util.find_spec("qiskit_ibm_runtime") is not None
    require("qiskit_ibm_runtime", PACKAGE, available=available)
    service = QuantumService.start()
    yield service
    service.stop()


@pytest.fixture
def quantum_service(
    _quantum_service: QuantumService, monkeypatch: pytest.MonkeyPatch
) -> QuantumService:
    """Start a stand-in of IBM's Quantum service without jobs; the client's account leads there."""
    from qiskit_ibm_runtime.accounts import management

    from hybrid_parsl.quantum import ibm_account

    ibm_account._service.cache_clear()
    ibm_account._granted_service.cache_clear()
    service = _quantum_service
    service.forget_jobs()
    service.save_account()
    for name in [each for each in os.environ if each.startswith("QISKIT_IBM_")]:
        monkeypatch.delenv(name)
    for name, value in service.variables.items():
        monkeypatch.setenv(name, value)
    saved = str(service.folder / "home/.qiskit/qiskit-ibm.json")
    monkeypatch.setattr(management, "_DEFAULT_ACCOUNT_CONFIG_JSON_FILE", saved)
    return service
