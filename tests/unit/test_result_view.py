from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from hybrid_parsl.result_view import Section, ShownResult, shown_result


class Spectrum(BaseModel):
    levels: list[float]

    def summary_lines(self) -> list[tuple[str, float]]:
        return [("gap", self.levels[1] - self.levels[0])]

    def report_section(self) -> Section:
        rows = list(enumerate(self.levels))
        return Section(text=f"{len(rows)} levels", head=["level", "energy"], rows=rows)


@dataclass
class Gap:
    value: float

    def summary_lines(self) -> list[tuple[str, float]]:
        return [("gap", self.value)]


def test_what_a_type_shows_is_kept_as_text() -> None:
    shown = shown_result(Spectrum(levels=[-1.0, -2 / 3]))
    assert shown == {
        "summary": [["gap", "0.333333"]],
        "section": {
            "text": "2 levels",
            "head": ["level", "energy"],
            "rows": [["0", "-1"], ["1", "-0.666667"]],
        },
    }
    assert ShownResult.model_validate(shown).model_dump(mode="json") == shown


def test_each_method_may_be_missing() -> None:
    assert shown_result(Gap(0.5)) == {"summary": [["gap", "0.5"]]}


@pytest.mark.parametrize("result", [None, 1.5, {"summary_lines": 1}, Spectrum, Section(text="x")])
def test_a_type_without_a_view_shows_nothing_of_its_own(result: Any) -> None:
    assert shown_result(result) == {}


def test_the_methods_are_those_of_the_type() -> None:
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return lambda: [(name, 1)]

    assert shown_result(Anything()) == {}


@pytest.mark.parametrize("lines", ["gap", [("gap",)], [1.5]])
def test_lines_that_are_none_are_refused(lines: Any) -> None:
    class Wrong:
        def summary_lines(self) -> Any:
            return lines

    with pytest.raises(ValidationError, match="summary"):
        shown_result(Wrong())
