"""What every file of the project keeps to."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked(*patterns):
    found = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in found.stdout.splitlines() if (ROOT / name).exists()]


@pytest.mark.usefixtures("thorough")
def test_no_assert_outside_the_tests():
    shipped_tests = ROOT / "hybrid_parsl" / "testing"
    for path in tracked("hybrid_parsl/**.py", "apps/*.py", "site_configs/*.py"):
        if shipped_tests in path.parents:
            continue
        tree = ast.parse(path.read_text())
        assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)], path


def test_lock_files_name_no_index():
    names = sorted(path.name for path in ROOT.glob("requirements*.lock"))
    assert len(names) == 6
    for name in names:
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--hash=sha256:" in text


def test_apps_declare_and_sites_configure():
    for path in tracked("apps/*.py"):
        functions = [
            node.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef)
        ]
        assert path.stem in {"workflows", "rounds", "sqd"} or not functions
    for path in tracked("site_configs/*.py"):
        text = path.read_text()
        assert "def config(run" in text
        assert not re.search(r"hybrid_parsl\.(stages|experiment)|import apps", text)
