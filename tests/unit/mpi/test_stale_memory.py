from __future__ import annotations

import mmap
import os
import time
from typing import TYPE_CHECKING

from hybrid_parsl.mpi.stale_memory import remove_stale_segments

if TYPE_CHECKING:
    from pathlib import Path


def segment(folder: Path, name: str, age_s: float) -> Path:
    path = folder / name
    path.write_bytes(bytes(4096))
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_only_segments_that_nobody_uses_are_removed(tmp_path: Path) -> None:
    used = segment(tmp_path, "mpich_shm_1_0", 100)
    stale = segment(tmp_path, "mpich_shm_2_0", 100)
    fresh = segment(tmp_path, "mpich_shm_3_0", 0)
    other = segment(tmp_path, "sem.something", 100)
    with used.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        remove_stale_segments(tmp_path)
    assert {path for path in (used, stale, fresh, other) if path.exists()} == {used, fresh, other}


def test_a_system_without_such_a_folder(tmp_path: Path) -> None:
    remove_stale_segments(tmp_path / "nothing")
