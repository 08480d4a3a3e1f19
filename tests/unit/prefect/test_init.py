from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
sys.modules["prefect"] = None
import hybrid_parsl.cli.main, hybrid_parsl.run_plan
import hybrid_parsl.prefect
"""


def test_without_prefect_the_extra_is_named_and_nothing_else_needs_it() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("line 5, in <module>") == 1
    assert "pip install 'hybrid-parsl[prefect]'" in done.stderr
