"""What the page shows besides its figures, prepared for the template."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from hybrid_parsl.experiment import ReadFrom
from hybrid_parsl.report.result_views import (
    OWN_VIEWS,
    AnalysisView,
    SampleView,
    SearchView,
    view_of,
    with_tables_of,
)
from hybrid_parsl.report.text import (
    BETA,
    GAMMA,
    NOTHING,
    count,
    duration,
    finite,
    fixed,
    number,
    percent,
    toml,
)
from hybrid_parsl.results import execution_of, highest_optimal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hybrid_parsl.report.result_views import Key
    from hybrid_parsl.result_view import Section

GOOD = {"completed", "done", "ok", "success", "succeeded", "finished"}
BAD = {"failed", "error", "canceled", "cancelled", "aborted", "timeout", "interrupted"}
MOST_ROWS = 25
DEFAULT_TABLES = {name: view.table for name, view in OWN_VIEWS.items()}
"""The table of the default workflow's document that results of a type have."""
ALTERNATING = {"maxcut", "ising", "tfim"}
TICK_STEPS_S = (
    *(base * 10.0**power for power in range(-6, 1) for base in (1, 2, 5)),
    *(10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800),
)


class Bar(NamedTuple):
    """One stage of the timeline; `left` and `width` in per cent, None without known times."""

    name: str
    left: float | None
    width: float | None
    time: str
    host: str
    status: str
    tone: str


class TaskCard(NamedTuple):
    """A task of a workflow of the user's own: what it is, what it waited for, what it gave."""

    name: str
    function: str
    after: str
    status: str
    tone: str
    section: Section
    error: str
    origin: str


class Tick(NamedTuple):
    """One mark of the timeline's axis; `left` in per cent."""

    left: float
    text: str


def tone(status: object) -> str:
    """Return ``"good"``, ``"bad"`` or ``"neutral"`` for the status of a run or stage."""
    word = str(status or "").lower()
    return "good" if word in GOOD else "bad" if word in BAD else "neutral"


def key_numbers(document: Mapping[str, Any]) -> list[Key]:
    """Return the numbers a reader wants first: only those that the run came to know."""
    document = with_tables_of(document)
    search, analysis = document.get("search"), document.get("analysis")
    quantum = document.get("quantum")
    keys = SearchView(search).key_numbers() if search else []
    if analysis:
        keys += AnalysisView(analysis, quantum).key_numbers()
    elif quantum:
        keys += SampleView(quantum).key_numbers()
    return keys


def moment(value: object) -> datetime | None:
    """Return the time that an ISO 8601 text names; None if it names none."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    from datetime import UTC

    return found if found.tzinfo else found.replace(tzinfo=UTC)


def clock(value: object) -> str:
    """Return a time for a reader: ``2025-06-01 14:22:33 UTC``; the text itself if it is none."""
    found = moment(value)
    if found is None:
        return NOTHING if value is None else str(value)
    return f"{found:%Y-%m-%d %H:%M:%S} {found.tzname()}"


def timeline(
    run: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]
) -> tuple[list[Bar], list[Tick]]:
    """Return the bars of the stages and the ticks of their common axis.

    The axis goes from the first to the last time that is known; a stage without times has no
    bar.
    """
    times = [moment(row.get(key)) for row in (run, *stages) for key in ("started", "finished")]
    known = [time for time in times if time is not None]
    first = min(known, default=None)
    span_s = (max(known) - first).total_seconds() if first else 0.0
    bars = [_bar(stage, first, span_s) for stage in stages]
    return bars, _ticks(span_s) if any(bar.left is not None for bar in bars) else []


def _bar(stage: Mapping[str, Any], first: datetime | None, span_s: float) -> Bar:
    """Return the bar of one stage."""
    started, finished = moment(stage.get("started")), moment(stage.get("finished"))
    left = width = None
    if first and started and finished and span_s > 0:
        left = round(100 * (started - first).total_seconds() / span_s, 3)
        width = max(round(100 * (finished - started).total_seconds() / span_s, 3), 0.0)
    status = str(stage.get("status") or "unknown")
    origin = stage.get("reused_from")
    host = stage.get("host")
    return Bar(
        str(stage.get("name")),
        left,
        width,
        duration(stage.get("duration_s")),
        ", ".join(map(str, host)) if isinstance(host, list) else str(host or ""),
        f"reused from run {origin}" if origin else status,
        tone(status),
    )


def _ticks(span_s: float) -> list[Tick]:
    """Return marks at round times, at most 6 steps of them."""
    step = next((step for step in TICK_STEPS_S if span_s / step <= 6), span_s)  # noqa: PLR2004
    marks = [index * step for index in range(int(span_s / step) + 1)] if step else []
    return [Tick(round(100 * mark / span_s, 3), duration(mark)) for mark in marks]


def angles(document: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table of parameters.

    The parameters of alternating layers are shown as one gamma and one beta a layer, all others
    by their index.
    """
    search, analysis = document.get("search") or {}, document.get("analysis") or {}
    experiment = document.get("experiment") or {}
    values = list(search.get("parameters") or [])
    ansatz = (experiment.get("ansatz") or {}).get("kind")
    kind = (experiment.get("problem") or {}).get("kind")
    alternating = kind in ALTERNATING or analysis.get("landscape") is not None
    if alternating and ansatz in (None, "alternating") and values and len(values) % 2 == 0:
        layers = len(values) // 2
        pairs = zip(values[:layers], values[layers:], strict=True)
        rows = [[str(k), fixed(g, 6), fixed(b, 6)] for k, (g, b) in enumerate(pairs, start=1)]
        return ["layer", f"{GAMMA} (rad)", f"{BETA} (rad)"], rows
    return ["index", "angle (rad)"], [[str(k), fixed(v, 6)] for k, v in enumerate(values)]


def settings(experiment: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the experiment as TOML shows it: tables with their keys, the nameless one first."""
    plain = [(key, toml(value)) for key, value in experiment.items() if not _is_table(value)]
    tables = [
        (key, [(name, toml(item)) for name, item in value.items()])
        for key, value in experiment.items()
        if _is_table(value)
    ]
    return [("", plain), *tables] if plain else tables


def read_from(experiment: Mapping[str, Any]) -> str:
    """Return the sentence on the file that the problem was read from; empty if there is none."""
    problem = experiment.get("problem")
    try:
        return str(ReadFrom.model_validate(problem.get("read_from"))) if problem else ""
    except (AttributeError, ValueError):  # no table, or of another version
        return ""


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def outcomes(analysis: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of the table of bitstrings, and how many more there are."""
    optimum, worst = finite(analysis.get("optimum")), finite(analysis.get("worst"))
    bound = highest_optimal(optimum, worst)
    top = analysis.get("top") or []
    rows = []
    for row in top[:MOST_ROWS]:
        energy = finite(row.get("energy"))
        rows.append(
            {
                "bitstring": str(row.get("bitstring")),
                "count": count(row.get("count")),
                "probability": percent(row.get("probability")),
                "energy": number(energy),
                "optimal": energy is not None and energy <= bound,
            }
        )
    return rows, len(top) - len(rows)


def executions(document: Mapping[str, Any]) -> list[list[str]]:
    """Return what ran each task: its name, ranks, hosts, and time inside of it."""
    rows = []
    for name, result, task in _results(document):
        if (known := execution_of(result)) is not None:
            hosts = ", ".join(known.hosts) or NOTHING
            ranks, time_s = count(known.n_ranks), duration(known.duration_s)
            if origin := task.get("reused_from"):
                time_s += f" in run {origin}"
            rows.append([name, ranks, hosts, time_s])
        elif task.get("status") == "completed":
            rows.append([name, NOTHING, NOTHING, duration(task.get("duration_s"))])
    return rows


def task_cards(document: Mapping[str, Any]) -> list[TaskCard]:
    """Return a card for each task whose result is no table of the document itself."""
    return [
        TaskCard(
            name,
            str(task.get("function") or ""),
            ", ".join(task.get("after") or []),
            str(task.get("status") or "unknown"),
            tone(task.get("status")),
            view_of(task).report_section(),
            str((task.get("error") or {}).get("message") or ""),
            str(task.get("reused_from") or ""),
        )
        for name, _, task in _results(document)
        if task and not is_own_table(name, document)
    ]


def is_own_table(name: str, document: Mapping[str, Any]) -> bool:
    """Return whether the result of a task is a table of the document by itself."""
    return name in DEFAULT_TABLES.values() and name in document


def _results(document: Mapping[str, Any]) -> list[tuple[str, Any, Mapping[str, Any]]]:
    """Return name, result and table of each task; of an older run, of its three stages."""
    tasks = document.get("tasks") or {}
    if tasks:
        return [(name, task.get("result"), task) for name, task in tasks.items()]
    return [(name, document.get(name), {}) for name in DEFAULT_TABLES.values()]
