"""The image as a SIF: built and run by a real Apptainer, as a user without rights."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from command import ROOT
from container_image import CACHE, podman, podman_process

BUILD = """
cp /project/containers/hybrid-parsl.def . && cp /images/hybrid-parsl.tar .
unshare --user --map-users=0:0:65536 --map-groups=0:0:65536 apptainer build \
    --mksquashfs-args "-comp zstd -Xcompression-level 1" hybrid-parsl.sif hybrid-parsl.def
"""
USE = """
chmod 666 /dev/fuse
useradd --create-home --uid 1000 me
cd /home/me
export HOME=$PWD APPTAINER_CACHEDIR=$PWD
exec setpriv --reuid 1000 --regid 1000 --clear-groups "$@"
"""


@pytest.fixture(scope="module")
def apptainer(image):
    """Return a function that runs a script beside Apptainer, which Debian has in sid alone."""
    if "containers-apptainer" not in os.environ.get("HYBRID_PARSL_REQUIRE", "").split(","):
        pytest.skip("set HYBRID_PARSL_REQUIRE=containers,containers-apptainer")
    image.archive()
    root, work = CACHE / "sid", CACHE / "apptainer"
    if not (root / "usr/bin/apptainer").exists():
        shutil.rmtree(root, ignore_errors=True)
        names = "ca-certificates,apptainer,squashfuse"
        command = ["debootstrap", "--variant=minbase", f"--include={names}", "sid", str(root)]
        subprocess.run(command, check=True, capture_output=True, timeout=900)
    work.mkdir(exist_ok=True)
    words = [
        "run", "--rm", "--privileged", "--network=none", "--workdir=/work",
        "--env=APPTAINER_TMPDIR=/work", "--env=APPTAINER_CACHEDIR=/work/cache",
        f"--volume={work}:/work", f"--volume={CACHE}:/images:ro", f"--volume={ROOT}:/project:ro",
    ]  # fmt: skip
    yield lambda *script: (*words, "--rootfs", f"{root}:O", "sh", "-ec", *script)
    shutil.rmtree(work)


@pytest.fixture(scope="module")
def use(apptainer):
    """Return a function that runs a command as a user; the SIF is there, and its %test has run."""
    podman(*apptainer(BUILD), timeout_s=900)
    return lambda *command: podman_process(*apptainer(USE, "sh", *command), timeout_s=600)


def test_a_user_runs_the_sif(use):
    done = use("apptainer", "test", "/work/hybrid-parsl.sif")
    assert done.returncode == 0, done.stderr
    done = use("apptainer", "run", "/work/hybrid-parsl.sif", "run", "bell")
    assert done.returncode == 0, done.stderr
    assert "most frequent" in done.stdout


def test_an_interpreter_inside_does_for_a_site(use):
    command = ("exec", "/work/hybrid-parsl.sif", "python", "-m", "hybrid_parsl", "--version")
    done = use("apptainer", *command)
    assert (done.returncode, done.stdout) == (0, "hybrid-parsl 0.1.0\n")
