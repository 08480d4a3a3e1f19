"""How often Python looks for cyclic garbage."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count() > 1000))  # runs last
from hybrid_parsl.garbage import collect_rarely
collect_rarely()
print(gc.get_threshold()[0])
"""


def test_rarely_and_never_at_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["50000", "True"]
