"""Fixtures that every tier of the tests shares."""

from __future__ import annotations

import os
from pathlib import Path

SUPPORT = Path(__file__).parent / "support"


def pytest_configure() -> None:
    """Let the processes that tests start import the modules in tests/support, as tests do."""
    earlier = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(SUPPORT), *([earlier] if earlier else [])])
