"""What the pages of runs show, prepared for their templates."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from hybrid_parsl.errors import HybridParslError
from hybrid_parsl.report import sections, study_page
from hybrid_parsl.report.captions import caption, order, title
from hybrid_parsl.report.inline_svg import width_px
from hybrid_parsl.report.text import number
from hybrid_parsl.run_report import STUDY_CSV, STUDY_PARQUET
from hybrid_parsl.study_points import FILE as POINTS
from hybrid_parsl.ui.run_files import inside, read_start
from hybrid_parsl.ui.task_graph import task_graph, task_tone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hybrid_parsl.report.study_table import StudyTable
    from hybrid_parsl.ui.documents import Document
    from hybrid_parsl.ui.live_progress import LiveProgress, Progress

ROWS = 100
"""Rows of a table on one page."""
TEXT_SUFFIXES = (".csv", ".json", ".jsonl", ".log", ".toml", ".txt")
_LOGS = ("stdout.log", "stderr.log")
BINARY_SUFFIXES = (".parquet",)
"""Of files that are downloaded."""
_OWN_FILES = (
    *("experiment.toml", "results.json", "versions.json", "site.json", "events.jsonl"),
    *(POINTS, STUDY_CSV, STUDY_PARQUET),
)
_MOST_FIGURES = 48
_MOST_FOLDERS = 100
_MOST_MEASURES = 6
_LONGEST_EXPERIMENT = 128 * 1024
_HEAD_BYTES = 1024
_PAGE_DIGITS = 8


class Figure(NamedTuple):
    """A figure: the last part of its address, and what stands around it."""

    address: str
    title: str
    caption: str
    width_px: int


class TaskRow(NamedTuple):
    """A row of the table of tasks."""

    name: str
    task: Mapping[str, Any]
    tone: str
    bar: sections.Bar
    progress: Progress | None
    logs: list[str]
    error: str


class Paging(NamedTuple):
    """Which rows of a table are shown."""

    page: int
    n_pages: int
    first: int
    n_rows: int

    @property
    def rows(self) -> slice:
        """The rows that are shown."""
        return slice(self.first, self.first + ROWS)


@dataclass(frozen=True)
class StudyView:
    """The part of a study's page that other runs do not have."""

    keys: list[str]
    columns: list[str]
    rows: list[dict[str, Any]]
    paging: Paging
    figures: list[Figure]


def whole_number(text: str, most_digits: int) -> int | None:
    """Return the number in an address; None if it is none, or too long to be one of ours."""
    is_number = text.isascii() and text.isdigit() and len(text) <= most_digits
    return int(text) if is_number else None


def paging(n_rows: int, asked: str | None) -> Paging:
    """Return which of `n_rows` are on the page that was asked for, counted from 1."""
    n_pages = max(1, -(-n_rows // ROWS))
    page = whole_number(asked or "", _PAGE_DIGITS)
    page = min(max(1 if page is None else page, 1), n_pages)
    return Paging(page, n_pages, (page - 1) * ROWS, n_rows)


def run_context(
    run: Path, document: Document, asked: Mapping[str, str], state: str, progress: LiveProgress
) -> dict[str, Any]:
    """Return what the page of a run shows of its results.

    Parameters
    ----------
    run
        Its folder.
    document
        Its results.
    asked
        The parameters of the address: ``tasks`` and ``points`` are pages of tables.
    state
        As `ListedRun` has it.
    progress
        Follows running tasks.
    """
    content = document.content
    tasks: dict[str, Any] = content.get("tasks") or {}
    pages = paging(len(tasks), asked.get("tasks"))
    shown = dict(islice(tasks.items(), pages.first, pages.first + ROWS))
    rows, ticks = _task_rows(run, content.get("run") or {}, shown, state, progress)
    study = None
    keys = sections.key_numbers(content)
    if document.study is not None:
        study = _study_view(document.study, asked.get("points"))
        keys = study_page.key_numbers(content.get("run") or {}, document.study)
    return {
        "keys": keys,
        "graph": task_graph(content),
        "rows": rows,
        "ticks": ticks,
        "paging": pages,
        "study": study,
        "cards": [] if study else _cards(content),
        "figures": figures_of(run, content),
        "versions": sorted((content.get("versions") or {}).items()),
    }


def _task_rows(
    run: Path, table: Mapping[str, Any], tasks: Mapping[str, Any], state: str, live: LiveProgress
) -> tuple[list[TaskRow], list[sections.Tick]]:
    """Return the rows of some tasks, and the ticks of the axis of their times."""
    end = (
        {"finished": datetime.now(UTC).isoformat(timespec="seconds")} if state == "running" else {}
    )
    stages = [
        {**(end if task.get("status") == "running" else {}), **task, "name": name}
        for name, task in tasks.items()
    ]
    bars, ticks = sections.timeline({**end, **table}, stages)
    rows = []
    for bar, (name, task) in zip(bars, tasks.items(), strict=True):
        is_open = task.get("status") in ("running", "waiting")
        rows.append(
            TaskRow(
                name,
                task,
                task_tone(task.get("status")),
                bar,
                live.of(run, name, task) if is_open else None,
                logs_of(run, name),
                _message(task.get("error")),
            )
        )
    return rows, ticks


def _cards(content: Mapping[str, Any]) -> list[sections.TaskCard]:
    """Return the results that say something of themselves."""
    cards = [
        card for card in sections.task_cards(content) if card.section.text or card.section.rows
    ]
    return cards[:ROWS]


def _message(error: object) -> str:
    """Return the message of a task's error."""
    return str(error.get("message") or "") if isinstance(error, dict) else ""


def _study_view(table: StudyTable, asked: str | None) -> StudyView:
    """Return the figures and some of the rows of a study."""
    from hybrid_parsl.report.study_figure import caption as measure_caption
    from hybrid_parsl.report.study_roles import roles

    columns = table.interesting(_MOST_MEASURES)
    pages = paging(len(table.rows), asked)
    rows = [
        {
            "point": row["point"],
            "status": row["status"],
            "tone": task_tone(row["status"]),
            "error": row["error"],
            "values": [study_page.shown_value(row[key]) for key in table.keys],
            "numbers": [number(row.get(measure), 7) for measure in columns],
        }
        for row in table.rows[pages.rows]
    ]
    figures = []
    if len(table.rows) > 1 and table.keys:
        asked_roles = roles(table)
        figures = [
            Figure(measure, measure, measure_caption(table, measure, asked_roles), 960)
            for measure in columns[:4]
        ]
    return StudyView(table.keys, columns, rows, pages, figures)


def figures_of(run: Path, content: Mapping[str, Any]) -> list[Figure]:
    """Return the figures in the folder of a run, in the order of its report."""
    names = [name[:-4] for name in _names(run, "figures") if name.endswith(".svg")]
    figures = []
    for name in sorted(names, key=order)[:_MOST_FIGURES]:
        try:
            head = read_start(inside(run, "figures", f"{name}.svg"), _HEAD_BYTES)
        except (OSError, HybridParslError):
            continue
        width = width_px(head.decode("utf-8", "replace"))
        figures.append(Figure(name, title(name), caption(name, content), width))
    return figures


def logs_of(run: Path, task: str) -> list[str]:
    """Return the names of a task's logs that are not empty."""
    found = []
    for name in _LOGS:
        try:
            if inside(run, "tasks", task, name).stat().st_size:
                found.append(name)
        except OSError:
            continue
    return found


def other_files(run: Path, tasks: Sequence[str]) -> list[str]:
    """Return the paths of files of a run to read or download, but for the logs of its tasks."""
    found = [name for name in _OWN_FILES if os.path.lexists(run / name)]
    known = set(tasks)
    for folder in islice(
        (each for each in _names(run, "tasks") if each not in known), _MOST_FOLDERS
    ):
        found += [f"tasks/{folder}/{name}" for name in logs_of(run, folder)]
    for folder in _names(run, "parsl")[:_MOST_FOLDERS]:
        if os.path.lexists(run / "parsl" / folder / "parsl.log"):
            found.append(f"parsl/{folder}/parsl.log")
    return found


def experiment_text(run: Path) -> str:
    """Return the experiment of a run as TOML, or why there is none."""
    try:
        data = read_start(inside(run, "experiment.toml"), _LONGEST_EXPERIMENT)
    except (OSError, HybridParslError) as error:
        return f"# cannot be read: {error}"
    return data.decode("utf-8", "replace")


def _names(run: Path, folder: str) -> list[str]:
    """Return the names in a folder of a run, sorted; none if it is not there."""
    try:
        return sorted(os.listdir(inside(run, folder)))  # noqa: PTH208 - names are wanted, not paths
    except OSError:
        return []
