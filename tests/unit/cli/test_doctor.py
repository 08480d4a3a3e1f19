from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


def test_this_computer_works_and_no_trace_is_left(command: Any) -> None:
    findings = json.loads(command("doctor", "--json"))
    assert {finding["state"] for finding in findings} == {"ok"}
    checks = {finding["check"]: finding["message"] for finding in findings}
    assert "parsl" in checks["here"]
    assert checks["mpi"].startswith("2 ranks on ")
    assert checks["mpi: kernels"].startswith("compiled")
    assert {"run directory", "quantum", "analysis: versions", "mpi: memory"} <= set(checks)
    assert list(command.folder.iterdir()) == []


def test_what_is_wrong_comes_with_what_to_do(command: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    text = command("doctor", code=2)
    assert "wrong   run directory: " in text
    assert "        take a --runs-dir that can be written to" in text


def test_a_site_that_cannot_be_used(command: Any, tmp_path: Path) -> None:
    text = command("doctor", "--site", "slurm", "--runs-dir", str(tmp_path / "my runs"), code=2)
    assert "wrong   configuration: " in text
    assert "a path of letters" in text
    assert not (tmp_path / "my runs").exists()


def test_a_backend_that_nobody_knows(command: Any, tmp_path: Path) -> None:
    text = (ROOT / "site_configs" / "local.py").read_text()
    site = tmp_path / "place.py"
    site.write_text(text.replace('backend="local"', 'backend="locla"'))
    text = command("doctor", "--site", str(site), code=2)
    assert "wrong   configuration: " in text
    assert "did you mean 'local'" in text


def test_scheduler_commands_that_are_missing(command: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    text = command("doctor", "--site", "slurm", code=2)
    assert "wrong   commands: sbatch" in text
    assert "skipped submit" in text
    assert "skipped ranks and workers" in text


def test_a_time_span_that_is_none(command: Any) -> None:
    command("doctor", "--timeout", "soon", code=2)
    assert "--timeout" in command.err
    assert "write 90s, 30m" in command.err


def test_a_bare_check_has_the_variables_of_a_scheduled_run(tmp_path: Path) -> None:
    site = tmp_path / "place.py"
    text = (ROOT / "site_configs" / "local.py").read_text()
    shown = '    import os\n    raise ValueError("variables: " + " ".join(sorted(os.environ)))\n'
    site.write_text(text.replace("    processes = ", f"{shown}    processes = "))
    program = "from hybrid_parsl.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "doctor", "--bare", "--site", str(site)],
        env={**os.environ, "HYBRID_PARSL_X": "1", "BASH_FUNC_module%%": "() { :; }", "LANG": "C"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    (line,) = [line for line in done.stdout.splitlines() if "variables: " in line]
    names = set(line.partition("variables: ")[2].split())
    assert {"HOME", "LOGNAME", "SHELL", "PATH", "HYBRID_PARSL_X"} <= names
    assert names.isdisjoint({"BASH_FUNC_module%%", "LANG", "PYTEST_CURRENT_TEST"})
