"""The image as it is built: what is in it and what is not, and that it needs no rights."""

from __future__ import annotations

import json
import mmap
import re
import tarfile
from pathlib import Path

import pytest
from command import ROOT
from container_image import BASE, CACHE, LENT, podman, podman_process
from mpi_containers import restricted
from packaging.markers import Marker

from hybrid_parsl import __version__, identity
from hybrid_parsl.experiment_file import read_experiment
from hybrid_parsl.stages.search import search

FORBIDDEN = re.compile(
    r"(^|/)(pip\.conf|\.netrc|id_rsa|ssh_host_\w+_key|etc/(hostname|resolv\.conf)|root/\.cache"
    r"|run/secrets/.+|var/(log|cache/apt|lib/apt/lists|tmp)/.+|tmp/.+)$"
)
LOOK = r"""
import json, os, platform, re, sys
from importlib.metadata import distributions
import psij
from hybrid_parsl import identity
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "ids": os.getresuid() + os.getresgid(),
    "capabilities": [int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "pid": os.getpid(),
    "identity": identity.current(),
    "python": platform.python_version(),
    "backends": sorted(psij.JobExecutor.get_executor_names()),
    "versions": {re.sub(r"[._]", "-", each.name).lower(): each.version for each in distributions()},
    "arguments": sys.argv[1:],
}))
"""


@pytest.fixture(scope="module")
def inside(image):
    """What a process without any rights finds in a container; its arguments pass two shells."""
    done = podman_process(*restricted(image.name, "python", "-c", LOOK, "a b", "$HOME", "*"))
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_the_user_is_a_number_that_is_not_roots(image, inside):
    about = json.loads(podman("image", "inspect", image.name))[0]
    assert about["Config"]["User"] == "1000"  # Kubernetes proves runAsNonRoot by numbers alone
    assert inside["ids"] == [1000] * 6
    assert inside["capabilities"] == [0] * 4


def test_the_entrypoint_becomes_the_command(image, inside):
    assert inside["pid"] == 1
    assert inside["arguments"] == ["a b", "$HOME", "*"]
    done = podman_process(*restricted(image.name, "sh", "-c", "exit 7"))
    assert done.returncode == 7


def test_the_package_is_this_one(image, inside):
    assert inside["identity"] == identity.current()
    done = podman_process(*restricted(image.name, "python", "-m", "hybrid_parsl", "--version"))
    assert (done.stdout, done.stderr) == (f"hybrid-parsl {identity.current().split('+')[0]}\n", "")


def test_psij_finds_the_executor_for_kubernetes(inside):
    assert "kubernetes" in inside["backends"]


def test_every_version_is_the_lock_files(inside):
    there = set(inside["versions"].items())
    pinned = locked("requirements-kubernetes.lock", inside["python"])
    other = {name for name, _ in there - pinned}
    assert other == {"pip", "setuptools", "hybrid-parsl"}  # the first two come with Debian's venv
    assert pinned - there == set()
    assert "kubernetes" in inside["versions"]


def locked(name, python):
    """The versions of a lock file that are for this system and that version of Python."""
    pattern = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.*?))?(?: \\)?$", re.MULTILINE)
    system = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    return {
        (each, version)
        for each, version, marker in pattern.findall((ROOT / name).read_text())
        if not marker or Marker(marker).evaluate(system)
    }


def test_a_whole_run_needs_no_rights_and_no_place_but_tmp(image):
    run = ("hybrid-parsl", "run", "bell", "--runs-dir", "/tmp/runs", "--json")
    done = podman_process(*restricted(image.name, *run), timeout_s=600)
    assert done.returncode == 0, done.stderr
    assert not re.search("(?i)warn|writable|read-only", done.stderr), done.stderr
    there = json.loads(done.stdout)
    here = search(read_experiment(ROOT / "experiments" / "bell.toml"))
    assert (there["search"]["energy"], there["search"]["parameters"]) == (
        here.energy,
        list(here.parameters),
    )


def test_no_layer_keeps_what_only_the_build_may_see(image):
    archive = image.archive()
    with archive.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        assert data.find(b"hybrid_parsl/mpi/rank.py") >= 0  # what is searched is not packed
        for secret in (LENT, str(ROOT), str(CACHE)):
            assert data.find(secret.encode()) < 0, secret
    with tarfile.open(archive) as whole:
        names = json.load(whole.extractfile("manifest.json"))[0]["Layers"]
        for name in names:
            with tarfile.open(fileobj=whole.extractfile(name)) as layer:
                files = [each.name for each in layer if each.size]  # some are for mounts, and empty
                assert [each for each in files if FORBIDDEN.search(each)] == []


def test_the_image_says_what_it_is(image):
    about = json.loads(podman("image", "inspect", image.name))[0]
    found = {key.rpartition(".")[2]: value for key, value in about["Labels"].items()}
    assert found["title"] == "hybrid-parsl"
    assert found["version"] == __version__
    assert found["licenses"] == "Apache-2.0"
    assert found["revision"]
    assert about["Labels"]["org.opencontainers.image.base.name"] == BASE


@pytest.mark.skipif("avx2" not in Path("/proc/cpuinfo").read_text(), reason="needs AVX2")
def test_any_user_finds_the_kernels_compiled(image):
    small = "--set problem.nodes=6 --set search.starts=2 --set ansatz.layers=1"
    run = f"hybrid-parsl run maxcut {small} --runs-dir /tmp/runs --json >/dev/null"
    script = f"{run} && find /tmp/numba -name '*.o' | wc -l"
    other = ("--user", "12345:12345")
    words = restricted(image.name, "sh", "-c", f"mkdir /tmp/numba; {script}", options=other)
    done = podman_process(*words, timeout_s=600)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
