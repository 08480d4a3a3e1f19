"""Shared memory that is too small for the ranks of a node."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import rank_functions as functions
from waiting import PATIENCE_S

from hybrid_parsl import identity
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.mpi import shared_memory
from hybrid_parsl.mpi.shared_memory import (
    check_shared_memory,
    needed_shared_memory,
    ranks_on_this_node,
)
from hybrid_parsl.tasks.failures import explain_failure
from hybrid_parsl.tasks.folder import Request, TaskFolder
from hybrid_parsl.tasks.serialization import write_frame

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20


def namespaces_can_be_made() -> bool:
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/dev/shm"]
    program = shutil.which("unshare")
    return (
        bool(program) and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def test_what_ranks_need() -> None:
    assert needed_shared_memory(12) == 96 * MIB
    assert needed_shared_memory(12, "self,posix") == 96 * MIB
    assert needed_shared_memory(12, "self,sysv") == 15 * MIB


@pytest.mark.parametrize(
    ("name", "stated"),
    [("MPI_LOCALNRANKS", "12"), ("SLURM_STEP_TASKS_PER_NODE", "12(x2),3")],
)
def test_a_node_with_too_little_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, stated: str
) -> None:
    size = os.statvfs(tmp_path)
    n_bytes = size.f_blocks * size.f_frsize
    monkeypatch.setenv(name, stated)
    monkeypatch.delenv("UCX_TLS", raising=False)
    monkeypatch.setattr(shared_memory, "BYTES_PER_RANK", n_bytes // 12)
    check_shared_memory(ranks_on_this_node(), folder=tmp_path)
    monkeypatch.setattr(shared_memory, "BYTES_PER_RANK", n_bytes // 12 + MIB)
    with pytest.raises(ConfigurationError, match="too small for 12 MPI ranks") as caught:
        check_shared_memory(ranks_on_this_node(), folder=tmp_path)
    assert caught.value.found == f"{n_bytes / MIB:.0f} MiB"
    assert "--shm-size=" in str(caught.value)


def test_a_node_without_such_a_folder_is_not_refused(tmp_path: Path) -> None:
    check_shared_memory(10**6, folder=tmp_path / "missing")


def started(tmp_path: Path, size: str, *launcher: str) -> TaskFolder:
    folder = TaskFolder(tmp_path)
    write_frame(folder.request, Request(identity.current(), functions.add, (1,), {}))
    ranks = [sys.executable, "-P", "-m", "hybrid_parsl.mpi", str(tmp_path)]
    mount = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", mount, "sh", *launcher, *ranks]
    subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE_S)
    return folder


@pytest.mark.usefixtures("thorough")
@pytest.mark.skipif(not namespaces_can_be_made(), reason="a mount namespace needs root")
def test_ranks_in_a_container_with_the_usual_size(tmp_path: Path) -> None:
    ours = [sys.executable, "-P", "-m", "hybrid_parsl.mpi.launcher"]
    (tmp_path / "fits").mkdir()
    assert started(tmp_path / "fits", "64m", *ours, "3").result.exists()
    (tmp_path / "not").mkdir()
    error = explain_failure(started(tmp_path / "not", "2m", *ours, "3"), "77", 1)
    assert isinstance(error, ConfigurationError)
    assert "/dev/shm is too small for 3 MPI ranks" in str(error)
