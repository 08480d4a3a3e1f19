from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from hybrid_parsl.own_command import own_command, own_environment

if TYPE_CHECKING:
    from pathlib import Path


def test_no_module_of_the_current_folder_is_executed(tmp_path: Path) -> None:
    for name in ("json.py", "typer.py"):
        (tmp_path / name).write_text("raise SystemExit(9)\n")
    done = subprocess.run(
        own_command("--version"),
        cwd=tmp_path,
        env=own_environment(),
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"hybrid-parsl ")
