"""The shipped contract tests, on Aer and on the example of docs/backends.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from hybrid_parsl.testing.backend_contract import QuantumBackendContract

PAGE = Path(__file__).parents[3] / "docs" / "backends.md"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example as an installed distribution: a module and an entry point."""
    block = re.compile(r"^```python title=lab\.py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    match = block.search(PAGE.read_text())
    assert match is not None
    (tmp_path / "lab.py").write_text(match[1])
    folder = tmp_path / "lab-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[hybrid_parsl.backends]\nlab = lab:Lab\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lab", raising=False)


class TestAer(QuantumBackendContract):
    backend = "aer"
    options: ClassVar[dict[str, Any]] = {"max_parallel_threads": 1}


class TestAerMatrixProductState(QuantumBackendContract):
    backend = "aer"
    options: ClassVar[dict[str, Any]] = {"method": "matrix_product_state"}


@pytest.mark.usefixtures("example")
class TestExample(QuantumBackendContract):
    backend = "lab"
    options: ClassVar[dict[str, Any]] = {"qubits": 5}
    tolerance = 0.1
