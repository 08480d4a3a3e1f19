from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ended_runs import make_run

from hybrid_parsl.crate import contents
from hybrid_parsl.crate.contents import contents_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_run(tmp_path / "r").path


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/private").write_text("mine")
    (folder / "tasks/search/link").symlink_to(tmp_path / "elsewhere/private")
    (folder / "tasks/linked").symlink_to(tmp_path / "elsewhere")
    (folder / "events.jsonl").symlink_to(tmp_path / "elsewhere/private")
    (folder / "circuits").rename(tmp_path / "circuits")
    (folder / "circuits").symlink_to(tmp_path / "circuits")
    found = contents_of(folder).files
    assert not {name for name in found if "link" in name or "private" in name}
    assert "events.jsonl" not in found
    assert "circuits/quantum.qasm" not in found


def test_a_file_with_a_secret_is_left_out_and_named(folder: Path) -> None:
    (folder / "tasks/.psij/1.job").write_text("export API_TOKEN=abc\n")
    found = contents_of(folder)
    assert "tasks/.psij/1.job" not in found.files
    assert found.left_out == ["tasks/.psij/1.job is left out: it holds what sounds like a secret."]


def test_what_tasks_leave_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_MOST_BYTES", 100)
    (folder / "tasks/search/stderr.log").write_text("x" * 101)
    assert "stderr.log is left out" in contents_of(folder).left_out[0]
    monkeypatch.setattr(contents, "_MOST_FILES", 1)
    found = contents_of(folder)
    assert len([name for name in found.files if name.startswith("tasks/")]) == 1
    assert "Only the first 1 files" in found.left_out[-1]
