"""What a stage has kept goes to its next try in one file, as far as there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.engine.tasks.kept_lines import collect_lines
from hybrid_parsl.tasks.folder import TaskFolder

if TYPE_CHECKING:
    from pathlib import Path


def test_the_lines_of_all_ranks_are_put_together(tmp_path: Path) -> None:
    (tmp_path / "starts-00000.jsonl").write_text("\na\n\nb\n")
    (tmp_path / "starts-00001.jsonl").write_text("c\ncut sho")
    (tmp_path / "other-00000.jsonl").write_text("d\n")
    (tmp_path / "empty-00000.jsonl").write_text("")
    (tmp_path / "stdout.log").write_text("e\n")
    found = collect_lines(TaskFolder(tmp_path), 1000)
    assert found == {"starts-kept.jsonl": b"cut sho\na\nb\nc\n", "other-kept.jsonl": b"d\n"}


def test_there_is_never_more_than_there_is_room_for(tmp_path: Path) -> None:
    (tmp_path / "starts-00000.jsonl").write_text("aaaa\nbbbb\ncc\n")
    for most in range(16):
        found = collect_lines(TaskFolder(tmp_path), most)
        assert sum(map(len, found.values())) <= most
    assert collect_lines(TaskFolder(tmp_path), 8) == {"starts-kept.jsonl": b"aaaa\ncc\n"}


def test_what_cannot_be_read_hinders_nobody(tmp_path: Path) -> None:
    (tmp_path / "starts-00000.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "starts-00001.jsonl").mkdir()
    (tmp_path / "starts-00002.jsonl").write_text("a\n")
    assert collect_lines(TaskFolder(tmp_path), 100) == {"starts-kept.jsonl": b"a\n"}


def test_nothing_fits_where_there_is_no_room(tmp_path: Path) -> None:
    (tmp_path / "starts-00000.jsonl").write_text("aaaa\n")
    assert collect_lines(TaskFolder(tmp_path), 0) == {}
