"""How a result is shown: its lines in the summary of a run, and its section of the report.

A type says so by methods of its own, those of `ResultView`. They are called once, by the driver,
when a task has finished, and what they return is kept as text in ``results.json``: a run can be
shown later without its project and on any computer, and no code that a run folder names is ever
imported for it. The views of this package's own types are in `hybrid_parsl.report.result_views`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Iterable


def as_text(value: object) -> str:
    """Return a value as a line of the summary has it: a float with six significant digits."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


_Text = Annotated[str, BeforeValidator(as_text)]


class Section(BaseModel):
    """What the report shows of a result: a paragraph, and a table below it.

    Everything is plain text; numbers may be given as they are. Figures are drawn by the stage:
    see ``figures`` in ``docs/workflows.md``.

    Attributes
    ----------
    text
        The paragraph; none if empty.
    head
        The words above the columns, one a column; none if empty.
    rows
        The cells of each row; the first names the row.
    """

    model_config = ConfigDict(frozen=True)

    text: _Text = ""
    head: list[_Text] = []
    rows: list[list[_Text]] = []


class ResultView(Protocol):
    """What a type of results may have, as methods of its own; each of them may be missing."""

    def summary_lines(self) -> Iterable[tuple[object, object]]:
        """Return label and value of each line at the end of a run and in ``show``."""

    def report_section(self) -> Section:
        """Return what the report shows in the task's card."""


class ShownResult(BaseModel):
    """What the methods of a `ResultView` returned, in ``results.json``; None without the method.

    Attributes
    ----------
    summary
        Label and value of each line.
    section
        What the report shows.
    """

    summary: list[tuple[_Text, _Text]] | None = None
    section: Section | None = None


def shown_result(result: Any) -> dict[str, Any]:
    """Return what the view of a result returns, a `ShownResult` as JSON; nothing without a view.

    Raises
    ------
    Exception
        Whatever a method raises, and ``ValidationError`` for what it must not return.
    """
    kind = type(result)
    methods = {"summary": "summary_lines", "section": "report_section"}
    found = {
        key: method(result)
        for key, name in methods.items()
        if callable(method := getattr(kind, name, None))
    }
    return ShownResult.model_validate(found).model_dump(mode="json", exclude_none=True)


def type_name(kind: type) -> str:
    """Return a type of results as ``results.json`` names it, ``module:name``."""
    return f"{kind.__module__}:{kind.__qualname__}"
