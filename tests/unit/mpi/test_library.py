from __future__ import annotations

import subprocess
import sys

CODE = "from hybrid_parsl.mpi.library import library_version; print(library_version())"


def test_a_rank_knows_its_library_and_another_process_loads_none() -> None:
    def said(code: str) -> str:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert said(CODE) == "None"
    assert "MPI" in said(f"from mpi4py import MPI; {CODE}")
