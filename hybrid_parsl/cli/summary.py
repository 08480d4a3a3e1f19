"""The short table that ends a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hybrid_parsl.cli.output import say_rich

if TYPE_CHECKING:
    from rich.console import Console

_LONGEST = 100


def print_summary(document: dict[str, Any], console: Console | None = None) -> None:
    """Print the main figures of the results `document`."""
    from rich.text import Text

    rows = summary_rows(document)
    width = max(len(name) for name, _ in rows)
    margin = "\n" + " " * (width + 2)
    text = Text("\n").join(
        Text.assemble((name.ljust(width), "bold"), "  ", value.replace("\n", margin))
        for name, value in rows
    )
    if console is None:
        say_rich(text, soft_wrap=True)
    else:
        console.print(text, soft_wrap=True)


def summary_rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and texts of the main figures in `document`, whatever part of it is there."""
    rows = []
    run = document.get("run", {})
    search, analysis = document.get("search"), document.get("analysis")
    if run.get("status", "completed") != "completed":
        rows.append(("status", " ".join([_status(run["status"]), *_where(document)])))
    if search:
        rows.append(("best energy", _number(search, "energy", ".8g")))
        if unmoved := search.get("n_unmoved"):
            of_all = f"{unmoved} of {len(search.get('energies') or [])}"
            rows.append(("unmoved starts", f"{of_all} ended where they began: no step was better"))
    if analysis:
        error = _number(analysis, "standard_error", ".2g")
        rows.append(("sampled", f"{_number(analysis, 'energy', '.6g')} ± {error}"))
        if analysis.get("ratio") is not None:
            rows.append(("ratio to optimum", f"{analysis['ratio']:.4f}"))
        if analysis.get("top"):
            first = analysis["top"][0]
            share = f"{_number(first, 'probability', '.1%')} of the shots"
            share += f", energy {_number(first, 'energy', '.6g')}"
            rows.append(("most frequent", f"{first.get('bitstring')}  ({share})"))
    rows += _task_rows(document)
    if document.get("error"):
        rows.append(("error", f"{document['error']['type']}: {document['error']['message']}"))
    if run.get("duration_s") is not None:
        is_reused = "reused_from" in document.get("tasks", {}).get("search", {})
        rows.append(("time", _time(run, None if is_reused else search)))
    rows.append(("folder", run.get("folder") or ""))
    return rows


def _task_rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a row for each task whose result is not in the document by itself."""
    from hybrid_parsl.report.sections import is_own_table

    rows = []
    for name, task in document.get("tasks", {}).items():
        if is_own_table(name, document):
            continue
        found = task.get("result")
        text = task["status"] if task["status"] != "completed" else one_line(found)
        rows.append((name, text))
    return rows


def one_line(result: Any) -> str:
    """Return the numbers and texts of a result in a line, as far as they fit."""
    if not isinstance(result, dict):
        text = json.dumps(result)
    else:
        values = {
            key: f"{value:.6g}" if isinstance(value, float) else str(value)
            for key, value in result.items()
            if isinstance(value, str | int | float) and "\n" not in str(value)
        }
        text = ", ".join(f"{key} {value}" for key, value in values.items()) or "completed"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _number(table: dict[str, Any], key: str, spec: str) -> str:
    """Return a number of a table as text; one that was not finite is null there."""
    value = table.get(key)
    return "unknown" if value is None else format(value, spec)


def _time(run: dict[str, Any], search: dict[str, Any] | None) -> str:
    """Return words for how long the last driver of a run has worked, and on what."""
    ranks = ((search or {}).get("execution") or {}).get("n_ranks") or 0
    text = f"{run['duration_s']:.1f} s on site {run.get('site')}"
    text += f", {ranks} rank{'s' if ranks > 1 else ''}" if ranks else ""
    return f"{text}, since it was resumed" if run.get("resumed") else text


def _status(word: str) -> str:
    """Return the words for the status of a run that is not completed."""
    return "without a driver" if word == "left" else word


def _where(document: dict[str, Any]) -> list[str]:
    """Return words for the stage in which a run ended early, none if it was in no stage."""
    names = [each["name"] for each in document.get("stages", []) if each["status"] != "completed"]
    return [f"in the {name} stage" for name in names]
