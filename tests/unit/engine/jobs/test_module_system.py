from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.engine.jobs import module_system
from hybrid_parsl.engine.jobs.module_system import load_modules

if TYPE_CHECKING:
    from pathlib import Path

INIT = """\
false  # what a script of the system does is not checked
module() { [ "$2" != bad ] && loaded="$loaded $2"; }
"""


def run(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script as PSI/J's launcher runs worker_init, with no variables but these."""
    command = ["/bin/bash", "-c", f"set -e\n{script}\necho loaded:$loaded"]
    environment = {"PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the host look like one whose module system is known by a variable only."""
    files = ("$MODULESHOME/init/bash", "$LMOD_PKG/init/bash")
    monkeypatch.setattr(module_system, "_INIT_FILES", files)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "init").mkdir()
    (tmp_path / "init" / "bash").write_text(INIT)
    return tmp_path


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("variable", ["MODULESHOME", "LMOD_PKG"])
def test_the_module_system_is_set_up_where_it_is_not(home: Path, variable: str) -> None:
    done = run(load_modules(["a/1", "b"]), **{variable: str(home)})
    assert (done.returncode, done.stdout, done.stderr) == (0, "loaded: a/1 b\n", "")


@pytest.mark.usefixtures("bare")
def test_one_that_the_shell_knows_is_used(home: Path) -> None:
    own = "module() { loaded=mine; }\n"
    done = run(own + load_modules(["a"]), MODULESHOME=str(home))
    assert done.stdout == "loaded:mine\n"


@pytest.mark.usefixtures("bare")
def test_a_host_without_a_module_system_is_a_clear_error() -> None:
    done = run(load_modules(["a"]))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("hybrid-parsl: no module command")


@pytest.mark.usefixtures("bare")
def test_a_module_that_does_not_load_ends_the_script(home: Path) -> None:
    done = run(load_modules(["a", "bad", "c"]), MODULESHOME=str(home))
    assert (done.returncode, done.stdout) == (1, "")
    assert "a module does not load" in done.stderr


def test_no_modules_need_no_module_system() -> None:
    assert load_modules([]) == ""
