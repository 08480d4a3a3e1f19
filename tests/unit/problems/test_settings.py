from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.problems.settings import (
    is_coefficient,
    named_file,
    read_text,
    refuse_unread_file,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_named_file_is_looked_for_beside_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "graph.txt").write_text("0 1")
    assert read_text(named_file(tmp_path, "graph.txt", "problem.edges"), "k") == "0 1"


@pytest.mark.parametrize("name", ["absent.txt", "", ".", "nul\0l", "x" * 5000])
def test_no_such_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="no such file") as caught:
        named_file(tmp_path, name, "problem.edges")
    assert caught.value.key == "problem.edges"
    assert caught.value.valid is not None


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "graph.txt"
    path.write_bytes(b"0 1\xff")
    with pytest.raises(ConfigurationError, match="not UTF-8 at byte 3") as caught:
        read_text(path, "problem.edges")
    assert caught.value.source == str(path)


def test_a_file_that_went_away(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_text(tmp_path / "gone", "problem.edges")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "graph.txt"
    path.write_bytes(b"\xef\xbb\xbf0 1")
    assert read_text(path, "problem.edges") == "0 1"


def test_an_unread_file_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not read in"):
        refuse_unread_file("problem.edges", "graph.txt")


@pytest.mark.parametrize(
    ("value", "good"),
    [(1, True), (-2.5, True), (True, False), ("1", False), (float("nan"), False)],
)
def test_coefficients(value: object, good: bool) -> None:  # noqa: FBT001
    assert is_coefficient(value) is good


@pytest.mark.parametrize("value", [0, 0.0, 1e100, -1e100, 1e-100, -1e-100])
def test_the_bounds_of_coefficients_are_valid(value: object) -> None:
    assert is_coefficient(value)


@pytest.mark.parametrize("value", [float("inf"), 10**400, -(10**400), 1e101, 9e-101, 5e-324])
def test_no_coefficient_overflows_or_vanishes(value: object) -> None:
    assert not is_coefficient(value)
