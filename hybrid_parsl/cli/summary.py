"""The short table that ends a run."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.cli.output import say_rich

if TYPE_CHECKING:
    from rich.console import Console


_MOST_FAILED = 10


def print_summary(document: dict[str, Any], console: Console | None = None) -> None:
    """Print the main figures of the results `document`."""
    from rich.text import Text

    rows = summary_rows(document)
    width = max(len(name) for name, _ in rows)
    margin = "\n" + " " * (width + 2)
    named = [
        Text.assemble((name.ljust(width), "bold"), "  ", value.replace("\n", margin))
        for name, value in rows
    ]
    text = Text("\n").join([*map(Text, _points(document)), *named])
    if console is None:
        say_rich(text, soft_wrap=True)
    else:
        console.print(text, soft_wrap=True)


def summary_rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and texts of the main figures in `document`, whatever part of it is there."""
    if document.get("study"):
        return _study_rows(document)
    from hybrid_parsl.report.result_views import AnalysisView, SearchView

    rows = []
    run = document.get("run", {})
    search, analysis = document.get("search"), document.get("analysis")
    if run.get("status", "completed") != "completed":
        rows.append(("status", " ".join([_status(run["status"]), *_where(document)])))
    if search:
        rows += SearchView(search).summary_lines()
    if analysis:
        rows += AnalysisView(analysis).summary_lines()
    rows += _qpu_rows(document.get("quantum") or {})
    rows += _task_rows(document)
    if document.get("error"):
        rows.append(("error", f"{document['error']['type']}: {document['error']['message']}"))
    if run.get("duration_s") is not None:
        is_reused = "reused_from" in document.get("tasks", {}).get("search", {})
        rows.append(("time", _time(run, None if is_reused else search)))
    rows.append(("folder", run.get("folder") or ""))
    return rows


def _points(document: dict[str, Any]) -> list[str]:
    """Return the first points of a study as lines, with an empty one below; none of other runs."""
    if not document.get("study"):
        return []
    from hybrid_parsl.report.study_table import study_table

    excerpt = study_table(document).excerpt()
    more = [f"and {excerpt.n_more} more: study.csv"] if excerpt.n_more else []
    return [*excerpt.lines(), *more, ""]


def _study_rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return how the points of a study ended, the failed ones by name, and where they are."""
    from hybrid_parsl.report.study_table import study_table
    from hybrid_parsl.run_report import STUDY_PAGE
    from hybrid_parsl.sweep import in_words

    table, run = study_table(document), document.get("run", {})
    states = Counter(row["status"] for row in table.rows)
    numbers = {"shared": table.n_shared, "reused": table.n_reused}
    notes = ", ".join(f"{number} {word}" for word, number in numbers.items() if number)
    tasks = f"{table.n_tasks} ({notes})" if notes else str(table.n_tasks)
    ended = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    rows = []
    if run.get("status", "completed") != "completed":
        rows.append(("status", _status(run["status"])))
    rows += [("points", f"{len(table.rows)}: {ended}"), ("tasks", tasks)]
    failed = [row for row in table.rows if row["status"] == "failed"]
    for row in failed[:_MOST_FAILED]:
        values = in_words({key: row[key] for key in table.keys})
        rows.append((f"point {row['point']}", f"failed at {values}: {row['error']}"))
    if len(failed) > _MOST_FAILED:
        rows.append(("", f"{len(failed) - _MOST_FAILED} more failed: see study.csv"))
    if run.get("duration_s") is not None:
        rows.append(("time", _time(run, None)))
    folder = run.get("folder") or ""
    page = Path(folder) / STUDY_PAGE
    is_written = os.path.isfile(page)  # noqa: PTH113 - a folder that no path can have is no error
    return [*rows, ("study", str(page)) if is_written else ("folder", folder)]


def _qpu_rows(sample: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the QPU time that was used, beside its estimate; nothing without a QPU."""
    used, estimated = sample.get("usage_s"), sample.get("estimated_usage_s")
    if used is None:
        return []
    beside = "" if estimated is None else f", {estimated:.2f} s estimated"
    return [("QPU time", f"{used:.2f} s used{beside}  (job {sample.get('job_id')})")]


def _task_rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a row for each task whose result is not in the document by itself."""
    from hybrid_parsl.report.sections import is_own_table

    return [
        (name, _task_text(task))
        for name, task in document.get("tasks", {}).items()
        if not is_own_table(name, document)
    ]


def _task_text(task: dict[str, Any]) -> str:
    """Return the lines of the summary that a task has; its status if it is not completed."""
    from hybrid_parsl.report.result_views import view_of

    if task["status"] != "completed":
        return str(task["status"])
    lines = view_of(task).summary_lines()
    return "\n".join(f"{label} {value}".strip() for label, value in lines) or "completed"


def _time(run: dict[str, Any], search: dict[str, Any] | None) -> str:
    """Return words for how long the drivers of a run have worked, and on what."""
    ranks = ((search or {}).get("execution") or {}).get("n_ranks") or 0
    text = f"{run['duration_s']:.1f} s on site {run.get('site')}"
    text += f", {ranks} rank{'s' if ranks > 1 else ''}" if ranks else ""
    return f"{text}, all drivers together" if run.get("resumed") else text


def _status(word: str) -> str:
    """Return the words for the status of a run that is not completed."""
    return "without a driver" if word == "left" else word


def _where(document: dict[str, Any]) -> list[str]:
    """Return words for the stage in which a run ended early, none if it was in no stage."""
    names = [each["name"] for each in document.get("stages", []) if each["status"] != "completed"]
    return [f"in the {name} stage" for name in names]
