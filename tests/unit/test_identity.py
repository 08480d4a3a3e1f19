from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hybrid_parsl
from hybrid_parsl import identity

HERE = Path(hybrid_parsl.__file__).parent


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A package that holds what identity needs, in a folder of its own."""
    package = tmp_path / "hybrid_parsl"
    (package / "room").mkdir(parents=True)
    for name in ("__init__.py", "identity.py"):
        shutil.copy(HERE / name, package / name)
    (package / "room" / "a.py").write_text("first\n")
    return package


def fingerprint(package: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    identity.current.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(identity, "__file__", str(package / "identity.py"))
        found = identity.current()
    identity.current.cache_clear()
    return found


def test_it_is_the_version_and_16_digits() -> None:
    version = re.escape(hybrid_parsl.__version__)
    assert re.fullmatch(version + r"\+[0-9a-f]{16}", identity.current())


def test_another_process_finds_the_same(tmp_path: Path) -> None:
    code = "from hybrid_parsl import identity; print(identity.current())"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    identity.current.cache_clear()
    assert found.stdout.strip() == identity.current()


def test_any_change_of_a_source_shows(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fingerprint(copied, monkeypatch)
    assert fingerprint(copied, monkeypatch) == first
    module = copied / "room" / "a.py"
    seen = {first}
    module.write_text("second\n")
    seen.add(fingerprint(copied, monkeypatch))
    module.rename(copied / "room" / "b.py")
    seen.add(fingerprint(copied, monkeypatch))
    (copied / "room" / "empty.py").touch()
    seen.add(fingerprint(copied, monkeypatch))
    assert len(seen) == 4


def test_text_that_moves_from_one_file_to_another_shows(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied / "room" / "a.py").write_text("xy")
    (copied / "room" / "b.py").write_text("z")
    first = fingerprint(copied, monkeypatch)
    (copied / "room" / "a.py").write_text("x")
    (copied / "room" / "b.py").write_text("yz")
    assert fingerprint(copied, monkeypatch) != first


def test_what_is_the_users_or_no_source_does_not_count(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fingerprint(copied, monkeypatch)
    (copied / "template" / "apps").mkdir(parents=True)
    (copied / "template" / "apps" / "search.py").write_text("mine")
    (copied / "room" / "page.css").write_text("p {}")
    (copied / "room" / "__pycache__").mkdir()
    (copied / "room" / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"\0")
    assert fingerprint(copied, monkeypatch) == first
