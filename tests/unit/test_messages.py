from __future__ import annotations

import pytest

from hybrid_parsl.messages import nearest, shown


def test_a_long_value_is_shortened() -> None:
    assert shown("x" * 500).endswith("…")
    assert shown(16**5000) == "int too large to show"


@pytest.mark.parametrize(
    ("word", "expected"), [("start", "starts"), ("sarts", "starts"), ("xyz", None), ("", None)]
)
def test_the_nearest_word(word: str, expected: str | None) -> None:
    assert nearest(word, ["method", "starts", "seed"]) == expected
