"""PSI/J finds the executor however the package is installed, and is neither slowed nor broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
NAMES = "import psij; print(*sorted(psij.JobExecutor.get_executor_names()))"
MAKE = "import psij; psij.JobExecutor.get_instance('kubernetes')"
ALONE = [sys.executable, "-S", "-c"]


def run(program, *folders, **more):
    """Run a program without this environment's own install of the package."""
    others = [path for path in sys.path if path.endswith("site-packages")]
    path = os.pathsep.join([*map(str, folders), *others])
    return subprocess.run(
        [*ALONE, program],
        env={**os.environ, "PYTHONPATH": path, **more},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def test_without_the_package_there_is_no_such_executor():
    assert "kubernetes" not in run(NAMES).stdout.split()


@pytest.mark.usefixtures("thorough")
def test_it_is_found_in_the_wheel(wheel):
    done = run(NAMES, wheel)
    assert "kubernetes" in done.stdout.split(), done.stderr
    assert "hybrid_parsl" not in done.stderr


@pytest.mark.usefixtures("thorough")
def test_it_is_found_in_an_editable_install(tmp_path):
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    flags = ["--no-deps", "--no-build-isolation", "--target", str(tmp_path)]
    subprocess.run([*pip, "install", *flags, "--editable", str(ROOT)], check=True)
    program = f"import site; site.addsitedir({str(tmp_path)!r}); {NAMES}"
    done = run(program)
    assert "kubernetes" in done.stdout.split(), done.stderr


def test_psij_imports_nothing_of_ours_but_the_executor(wheel):
    program = (
        "import sys, psij; print(*sorted(name for name in sys.modules"
        " if name.startswith(('hybrid_parsl', 'kubernetes', 'urllib3'))))"
    )
    assert run(program, wheel).stdout.split() == [
        "hybrid_parsl",
        "hybrid_parsl.psij_kubernetes",
        "hybrid_parsl.psij_kubernetes.executor",
    ]


@pytest.mark.usefixtures("thorough")
def test_without_the_client_psij_works_and_the_executor_says_what_to_install(wheel, tmp_path):
    (tmp_path / "kubernetes.py").write_text("raise ImportError('no such client')")
    done = run(NAMES, tmp_path, wheel)
    assert "kubernetes" in done.stdout.split(), done.stderr
    done = run(MAKE, tmp_path, wheel)
    assert "pip install 'hybrid-parsl[kubernetes]'" in done.stderr


def test_the_scripts_of_the_wrapper_are_in_the_wheel(wheel):
    folder = wheel / "hybrid_parsl" / "psij_kubernetes"
    assert {path.name for path in folder.glob("*.sh")} == {"emitter.sh", "wrapper.sh"}
