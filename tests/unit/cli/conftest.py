from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.cli.main import main
from hybrid_parsl.project import PROJECT_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path


class CommandLine:
    """Runs the command line in this process, in an empty folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command, check its exit code, and return what it printed."""
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        self.out, self.err = self._capsys.readouterr()
        assert (ended.value.code or 0) == code, self.err
        return self.out


@pytest.fixture
def command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    monkeypatch.delenv(PROJECT_VARIABLE, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, capsys)


DOCUMENT: dict[str, Any] = {
    "run": {
        "id": "20260102T000000Z-bell-aaaaaa",
        "name": "bell",
        "site": "local",
        "duration_s": 12.34,
        "folder": "/runs/20260102T000000Z-bell-aaaaaa",
        "status": "completed",
    },
    "search": {"energy": -1.23456789123, "execution": {"n_ranks": 2}},
    "analysis": {
        "energy": -1.2,
        "standard_error": 0.0123,
        "ratio": 0.98765,
        "top": [{"bitstring": "0110", "count": 512, "probability": 0.125, "energy": -1.0}],
    },
}


@pytest.fixture
def document() -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(DOCUMENT))
    return copied


@pytest.fixture
def ended_run(tmp_path: Path, document: dict[str, Any]) -> Path:
    """Make the folder of a run that has ended, in that of all runs."""
    folder = tmp_path / "runs" / "20260102T000000Z-bell-aaaaaa"
    folder.mkdir(parents=True)
    (folder / "experiment.toml").touch()
    (folder / "results.json").write_text(json.dumps(document))
    return folder
