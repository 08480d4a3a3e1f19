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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tasks/search/stdout.log", "Authorization: Bearer S-bearer\n"),
        ("tasks/search/stdout.log", '{"api_token": "S-json"}\n'),
        ("tasks/search/stdout.log", "IBM_TOKEN: S-colon\n"),
        ("events.jsonl", '{"event": "failed", "message": "with TOKEN=S-error"}\n'),
        ("report.html", "<p>TOKEN = &#x27;S-error&#x27;</p>"),
        ("report.html", "<p>https://user:S-url@host/</p>"),
        ("circuits/quantum.qasm", "// IBM_TOKEN: S-circuit\n"),
    ],
)
def test_any_file_that_a_crate_can_be_without_is_left_out(
    folder: Path, name: str, text: str
) -> None:
    (folder / name).write_text(text)
    found = contents_of(folder)
    assert name not in found.files
    assert found.left_out == [f"{name} is left out: it holds what sounds like a secret."]


def test_the_table_of_a_study_is_left_out_in_both_forms(folder: Path) -> None:
    (folder / "study.csv").write_text("point,problem.text\n0,TOKEN=S-csv\n")
    (folder / "study.parquet").write_bytes(b"PAR1")
    found = contents_of(folder)
    assert not {"study.csv", "study.parquet"} & found.files.keys()
    assert len(found.left_out) == 2


def test_what_tasks_leave_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_MOST_BYTES", 100)
    (folder / "tasks/search/stderr.log").write_text("x" * 101)
    assert "stderr.log is left out" in contents_of(folder).left_out[0]
    monkeypatch.setattr(contents, "_MOST_FILES", 1)
    found = contents_of(folder)
    assert len([name for name in found.files if name.startswith("tasks/")]) == 1
    assert "Only the first 1 files" in found.left_out[-1]
