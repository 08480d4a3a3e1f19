"""Where compiled code is kept, and that it is made anew when the source changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hybrid_parsl
from hybrid_parsl.simulate.compiling import SOURCES, fingerprint

_PACKAGE = Path(hybrid_parsl.__file__).parent
_SCRIPT = """
from hybrid_parsl.simulate import compiling, kernels
print(kernels.ones(7), type(kernels.ones._cache).__name__, compiling.__file__)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a copy of what the kernels need."""
    package = tmp_path / "site" / "hybrid_parsl"
    shutil.copytree(
        _PACKAGE / "simulate", package / "simulate", ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "__init__.py").write_text("", encoding="ascii")
    return tmp_path / "site"


def run(folder: Path, home: str) -> list[str]:
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "HOME": home,
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    output = subprocess.check_output(
        [sys.executable, "-c", _SCRIPT], text=True, env=environment, cwd=folder
    )
    number, kind, source = output.split()
    assert number == "3"
    assert source.startswith(str(folder))
    return [kind, *(path.name for path in folder.rglob("*.nbi"))]


def block(folder: Path) -> None:
    """Make the cache folder impossible, even for root: put a file in its place."""
    (folder / "hybrid_parsl" / "simulate" / "__pycache__").write_text("", encoding="ascii")


def test_kept_beside_the_source(copy: Path, tmp_path: Path) -> None:
    kind, *files = run(copy, str(tmp_path))
    assert kind == "FunctionCache"
    assert any("kernels.ones" in name for name in files)


def test_read_only_package(copy: Path, tmp_path: Path) -> None:
    block(copy)
    kind, *files = run(copy, str(tmp_path))
    assert (kind, files) == ("FunctionCache", [])
    assert list(tmp_path.glob("**/numba/**/kernels.ones*.nbi"))


def test_read_only_package_and_no_home(copy: Path) -> None:
    block(copy)
    kind, *files = run(copy, "/dev/null/nobody")
    assert (kind, files) == ("NullCache", [])


def test_any_changed_file_changes_the_fingerprint(copy: Path) -> None:
    folder = copy / "hybrid_parsl" / "simulate"
    before = fingerprint(folder)
    assert before == fingerprint.__wrapped__(folder)
    with (folder / "simd.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert fingerprint.__wrapped__(folder) != before


def test_fingerprint_is_in_the_cache() -> None:
    """Numba keeps the stamp under a private name; an update that moves it must be seen."""
    from hybrid_parsl.simulate import kernels

    kernels.ones(3)
    cache = kernels.ones._cache._cache_file  # type: ignore[attr-defined]
    if "_source_stamp" in vars(cache):
        assert cache._source_stamp == fingerprint()
        indexes = Path(cache._cache_path).glob("kernels.ones-*.nbi")
        assert any(fingerprint().encode() in index.read_bytes() for index in indexes)


def test_sources_are_complete() -> None:
    """Whatever holds or makes kernels counts for the fingerprint."""
    folder = _PACKAGE / "simulate"
    makers = ("from .compiling import", "from .simd import", "from numba")
    found = {
        path.name
        for path in folder.glob("*.py")
        if any(maker in path.read_text(encoding="utf-8") for maker in makers)
    }
    assert found == set(SOURCES)
