"""The crate of a run as a zip, on the terminal."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

from ended_runs import make_run

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_as_a_zip(command: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    make_run(tmp_path / "runs/20260102T000000Z-bell-aaaaaa")
    assert command("export", "latest") == "20260102T000000Z-bell-aaaaaa.zip\n"
    command("export", "latest", code=2)
    assert "exists already" in command.err
    command("export", "-o", "other.zip", "--license", "CC-BY-4.0", "--author", "Ada")
    with zipfile.ZipFile(tmp_path / "other.zip") as packed:
        text = packed.read("ro-crate-metadata.json").decode()
    assert "CC-BY-4.0" in text
    assert "Ada" in text


def test_report_writes_the_metadata_anew(command: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    directory = make_run(tmp_path / "runs/20260102T000000Z-bell-aaaaaa")
    metadata = directory.path / "ro-crate-metadata.json"
    before = metadata.read_text()
    metadata.unlink()
    command("report")
    assert len((directory.path / "report.html").read_text()) > 10
    assert metadata.read_text() != before


def test_a_run_of_an_older_version_is_refused(command: Any, ended_run: Path) -> None:
    command("export", ended_run.name, code=2)
    assert "as runs of older versions do" in command.err
