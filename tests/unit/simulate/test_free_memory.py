"""The free memory, read from made-up system folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.errors import InsufficientMemoryError
from hybrid_parsl.simulate.free_memory import available_bytes, check_memory

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")


def machine(root: Path, kib: int) -> None:
    write(root, proc__meminfo=f"MemTotal: 99 kB\nMemAvailable: {kib} kB\n")


def test_what_the_kernel_says(tmp_path: Path) -> None:
    machine(tmp_path, 2048)
    assert available_bytes(tmp_path) == 2048 * 1024


def test_control_group_of_version_2(tmp_path: Path) -> None:
    machine(tmp_path, 10**6)
    write(tmp_path, proc__self__cgroup="0::/slurm/job_7\n")
    job, slurm = "sys__fs__cgroup__slurm__job_7__memory", "sys__fs__cgroup__slurm__memory"
    write(tmp_path, **{
        f"{job}_DOT_max": "max\n", f"{job}_DOT_current": "10\n",
        f"{slurm}_DOT_max": "5000\n", f"{slurm}_DOT_current": "3000\n",
        f"{slurm}_DOT_stat": "anon 2500\ninactive_file 300\nactive_file 100\n",
    })  # fmt: skip
    assert available_bytes(tmp_path) == 5000 - 3000 + 400


def test_control_group_of_version_1(tmp_path: Path) -> None:
    machine(tmp_path, 10**6)
    write(tmp_path, proc__self__cgroup="4:cpu:/x\n3:cpuset,memory:/box\n")
    box = "sys__fs__cgroup__memory__box__memory_DOT_"
    write(tmp_path, **{
        f"{box}limit_in_bytes": "9000", f"{box}usage_in_bytes": "10000",
        f"{box}stat": "cache 0\n",
    })  # fmt: skip
    assert available_bytes(tmp_path) == 0


def test_without_proc(tmp_path: Path) -> None:
    assert available_bytes(tmp_path) > 2**20


def test_check() -> None:
    check_memory(1, "a byte")
    with pytest.raises(InsufficientMemoryError, match="a state of 60 qubits"):
        check_memory(2**60, "a state of 60 qubits")
