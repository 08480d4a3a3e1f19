from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from hybrid_parsl.engine.interchange import COMMAND

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_parsls_program_in_a_session_of_its_own(tmp_path: Path) -> None:
    # a stand-in beside an interpreter tells which session it is in, and who ends it
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python").symlink_to(sys.executable)
    program = bin_folder / "interchange.py"
    program.write_text(
        f"#!{sys.executable}\n"
        "import ctypes, os\n"
        "number = ctypes.c_int()\n"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(number))\n"
        "print(os.getsid(0) == os.getpid(), number.value)\n"
    )
    program.chmod(0o755)
    command = [str(bin_folder / "python"), *COMMAND[1:]]
    folders = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": folders},
    )
    assert done.stdout.split() == ["True", "9"]
