from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from hybrid_parsl import identity
from hybrid_parsl.records import versions
from hybrid_parsl.records.versions import software_versions

if TYPE_CHECKING:
    import pytest


def test_the_versions_of_what_a_run_is_made_with() -> None:
    found = software_versions()
    assert found["hybrid-parsl"] == identity.current()
    for package in ("parsl", "psij-python", "numpy", "qiskit", "scipy"):
        assert found[package] == version(package)
    assert found["python"].startswith("3.")
    assert all(isinstance(value, str) and value for value in found.values())


def test_a_package_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(package: str) -> str:
        if package == "mpich":
            raise PackageNotFoundError(package)
        return "1.2.3"

    monkeypatch.setattr(versions, "version", lookup)
    found = software_versions()
    assert "mpich" not in found
    assert found["numpy"] == "1.2.3"
