"""The report of a run as Markdown, for Prefect's page of artifacts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from prefect.artifacts import create_markdown_artifact

from hybrid_parsl.report import sections, text
from hybrid_parsl.report.study_table import POINT, STATUS, study_table
from hybrid_parsl.run_report import page_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hybrid_parsl.records.run_directory import RunDirectory

_MOST_POINTS, _MOST_MEASURES = 200, 4


def publish_report(directory: RunDirectory) -> None:
    """Make the report of the run in `directory` an artifact of the flow run.

    Runs of one experiment share a key, so that Prefect shows them as versions of one artifact.
    """
    document = directory.read_results()
    name = document["run"]["name"]
    create_markdown_artifact(
        as_markdown(document, str(directory.path / page_of(document))),
        key=artifact_key(name),
        description=f"{name} on site {document['run']['site']}: {document['run']['status']}",
    )


def artifact_key(name: str) -> str:
    """Return the key for reports of the experiment `name`, in the letters that Prefect takes.

    Examples
    --------
    >>> artifact_key("TFIM_12 (noisy)")
    'hybrid-parsl-tfim-12-noisy'
    """
    return "hybrid-parsl-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def as_markdown(document: Mapping[str, Any], page: str) -> str:
    """Return the results of a run as Markdown.

    Parameters
    ----------
    document
        The run, as `report.page.render_page` takes it.
    page
        Where the page with the figures is.
    """
    run = document.get("run") or {}
    parts = [f"# {run.get('name')}: {run.get('status')}"]
    error = document.get("error")
    if error:
        parts.append(f"**{error['type']}**\n\n{_fenced(error['message'])}")
    if document.get("study"):
        parts += _study(document)
    keys = sections.key_numbers(document)
    figures = [(key.label, key.with_error, key.note) for key in keys]
    parts += _table(("", "", ""), figures)
    parts += _table(("stage", "ranks", "hosts", "time"), sections.executions(document))
    rows, _ = sections.outcomes(document.get("analysis") or {})
    names = ("bitstring", "count", "probability", "energy")
    parts += _table(names, ([str(row[name]) for name in names] for row in rows))
    parts.append(f"The report with its figures is `{page}` on the machine that drove the run.")
    return "\n\n".join(parts) + "\n"


def _study(document: Mapping[str, Any]) -> list[str]:
    """Return the points of a study, with the measures that differ between them."""
    table = study_table(document)
    measures = table.interesting(_MOST_MEASURES)
    rows = [
        [
            row[POINT],
            *(str(row[key]) for key in table.keys),
            row[STATUS],
            *(text.number(row.get(measure), 7) for measure in measures),
        ]
        for row in table.rows[:_MOST_POINTS]
    ]
    left_out = len(table.rows) - len(rows)
    note = [f"{left_out} more points are in study.csv."] if left_out > 0 else []
    return [*_table((POINT, *table.keys, STATUS, *measures), rows), *note]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table in a list; nothing if it has no rows."""
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    if not lines:
        return []
    return ["\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines])]


def _cell(text: str) -> str:
    """Return a text that does not end its cell or begin a link or a tag."""
    return re.sub(r"([\\|<>\[\]`*_])", r"\\\1", text)


def _fenced(text: str) -> str:
    """Return a text as it is, fenced longer than any fence in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
