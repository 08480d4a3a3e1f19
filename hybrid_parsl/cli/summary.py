"""The short table that ends a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybrid_parsl.cli.output import say_rich

if TYPE_CHECKING:
    from rich.console import Console


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
    if document.get("error"):
        rows.append(("error", f"{document['error']['type']}: {document['error']['message']}"))
    if run.get("duration_s") is not None:
        rows.append(("time", _time(run, search)))
    rows.append(("folder", run.get("folder") or ""))
    return rows


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
    return "its driver has ended, left" if word == "left" else word


def _where(document: dict[str, Any]) -> list[str]:
    """Return words for the stage in which a run ended early, none if it was in no stage."""
    names = [each["name"] for each in document.get("stages", []) if each["status"] != "completed"]
    return [f"in the {name} stage" for name in names]
