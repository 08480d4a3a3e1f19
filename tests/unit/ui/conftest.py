from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ui_runs import Client

from hybrid_parsl.ui.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return an empty folder of runs."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def client(runs: Path) -> Iterator[Client]:
    """Ask for pages over `runs`; who may ask is tested elsewhere."""
    pages = Pages(runs)
    yield Client(pages.application())
    pages.close()
