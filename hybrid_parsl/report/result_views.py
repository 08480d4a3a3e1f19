"""How results on the disk are shown: those of this package's types, and all others.

The tables may be of another version or of a run that failed: every key may be missing.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from hybrid_parsl.report.text import (
    PLUS_MINUS,
    count,
    finite,
    fixed,
    measured_with,
    mitigated_with,
    number,
    percent,
    several,
    toml,
    with_error,
)
from hybrid_parsl.result_view import Section, ShownResult, as_text, type_name
from hybrid_parsl.results import Analysis, Sample, SearchResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hybrid_parsl.result_view import ResultView

_LONGEST = 100
_HIDDEN = {"execution", "figures"}


class Key(NamedTuple):
    """One of the key numbers: what it is, its value and standard error, what to know of it."""

    label: str
    value: str
    note: str
    error: str = ""
    monospaced: bool = False

    @property
    def with_error(self) -> str:
        """The value and its standard error, if it has one."""
        return f"{self.value}{PLUS_MINUS}{self.error}" if self.error else self.value


class _OwnView(ABC):
    """The view of a type of this package.

    Parameters
    ----------
    result
        Its table.

    Attributes
    ----------
    table
        The table of the default workflow's document that holds such a result.
    """

    table: ClassVar[str]

    def __init__(self, result: Mapping[str, Any]) -> None:
        self._result = result

    @abstractmethod
    def summary_lines(self) -> list[tuple[str, str]]:
        """Return the lines of the summary."""

    @abstractmethod
    def key_numbers(self) -> list[Key]:
        """Return the numbers a reader wants first, as far as they are known."""

    def report_section(self) -> Section:
        """Return the key numbers."""
        return Section(rows=[[key.label, key.with_error] for key in self.key_numbers()])


class SearchView(_OwnView):
    """The view of a `SearchResult`."""

    table = "search"

    def summary_lines(self) -> list[tuple[str, str]]:
        """Return the best energy, and how many starts did not move."""
        label = "exact energy" if self._is_one_point else "best energy"
        lines = [(label, _number(self._result, "energy", ".8g"))]
        if unmoved := self._result.get("n_unmoved"):
            of_all = f"{unmoved} of {len(self._result.get('energies') or [])}"
            lines.append(("unmoved starts", f"{of_all} ended where they began: no step was better"))
        return lines

    def key_numbers(self) -> list[Key]:
        """Return the best energy, and how it was found."""
        starts = several(len(self._result.get("energies") or []), "start")
        note = f"exact; {self._result.get('method')}, {starts}"
        if unmoved := finite(self._result.get("n_unmoved")):
            note += f", {count(unmoved)} of which did not move"
        if self._is_one_point:
            return [Key("Exact energy", number(self._result.get("energy")), "at one point")]
        return [Key("Best energy found", number(self._result.get("energy")), note)]

    @property
    def _is_one_point(self) -> bool:
        """Whether the energy was evaluated only once, so that nothing was searched."""
        return self._result.get("n_evaluations") == 1


class SampleView(_OwnView):
    """The view of a `Sample`."""

    table = "quantum"

    def summary_lines(self) -> list[tuple[str, str]]:
        """Return the mean energy, raw and mitigated."""
        return _sampled(self._result)

    def key_numbers(self) -> list[Key]:
        """Return the mean energy, raw and mitigated, and of how many shots."""
        words = measured_with(self._result)
        if not (raw := _raw(self._result)):
            return [_energy_key("Sampled energy", self._result, words)]
        note = mitigated_with(self._result.get("mitigation") or {})
        return [
            _energy_key("Sampled energy", raw, words),
            _energy_key("Mitigated energy", self._result, note),
        ]


class AnalysisView(_OwnView):
    """The view of an `Analysis`.

    Parameters
    ----------
    result
        Its table.
    sample
        That of the `Sample` that was analysed, if it is known.
    """

    table = "analysis"

    def __init__(self, result: Mapping[str, Any], sample: Mapping[str, Any] | None = None) -> None:
        super().__init__(result)
        self._sample = sample or {}

    def summary_lines(self) -> list[tuple[str, str]]:
        """Return the mean energy, how good it is, and the most frequent bitstring."""
        lines = _sampled(self._result)
        if self._result.get("ratio") is not None:
            lines.append(("ratio to optimum", f"{self._result['ratio']:.4f}"))
        if self._result.get("top"):
            first = self._result["top"][0]
            share = f"{_number(first, 'probability', '.1%')} of the shots"
            share += f", energy {_number(first, 'energy', '.6g')}"
            lines.append(("most frequent", f"{first.get('bitstring')}  ({share})"))
        return lines

    def key_numbers(self) -> list[Key]:
        """Return the mean energy, how good it is, and the most frequent bitstring."""
        words, raw = measured_with(self._sample), _raw(self._result)
        first = [_energy_key("Sampled energy", raw, words)] if raw else []
        if raw:
            words = mitigated_with(self._sample.get("mitigation") or {})
        parts = [words] if words else []
        deviation = finite(self._result.get("deviation"))
        if deviation is not None:
            side = "above" if deviation >= 0 else "below"
            parts.append(f"{fixed(abs(deviation), 1)} standard errors {side} the exact energy")
        label = "Mitigated energy" if raw else "Sampled energy"
        return [*first, _energy_key(label, self._result, ", ".join(parts)), *self._quality()]

    def _quality(self) -> list[Key]:
        """Return the numbers that compare the sample with the optimum, and its first bitstring."""
        analysis = self._result
        optimum = finite(analysis.get("optimum"))
        unknown = "the optimum is not known"
        best = f"best measured bitstring {fixed(analysis.get('best_ratio'), 4)}"
        if analysis.get("top") == []:  # an estimator measured, which gives no bitstrings
            best = f"optimum {number(optimum)}, worst {number(analysis.get('worst'))}"
        note = unknown if finite(analysis.get("ratio")) is None else best
        keys = [Key("Approximation ratio", fixed(analysis.get("ratio"), 4), note)]
        if analysis.get("top") == []:
            return keys
        note = unknown if optimum is None else f"shots at the energy {number(optimum)}"
        keys.append(Key("P(optimum)", percent(analysis.get("probability_of_optimum")), note))
        top = analysis.get("top") or []
        if top:
            note = f"{percent(top[0].get('probability'))} of the shots, energy "
            note += number(top[0].get("energy"))
            bits = str(top[0].get("bitstring"))
            keys.append(Key("Most frequent bitstring", bits, note, monospaced=True))
        return keys


class StoredView:
    """The view of all other results: what their type returned, else their values.

    Parameters
    ----------
    result
        The result as JSON.
    shown
        What its type returned.
    """

    def __init__(self, result: Any, shown: ShownResult) -> None:
        self._result = result
        self._shown = shown

    def summary_lines(self) -> list[tuple[str, str]]:
        """Return the lines of the type, else the numbers and texts of the result in one."""
        if self._shown.summary is not None:
            return self._shown.summary
        return [("", _one_line(self._result))]

    def report_section(self) -> Section:
        """Return the section of the type, else a table of the result's values."""
        if self._shown.section is not None:
            return self._shown.section
        if not isinstance(self._result, dict):
            return Section(rows=[] if self._result is None else [["result", _value(self._result)]])
        values = {key: value for key, value in self._result.items() if key not in _HIDDEN}
        return Section(rows=[[key, _value(value)] for key, value in values.items()])


OWN_VIEWS: dict[str, type[_OwnView]] = {
    type_name(SearchResult): SearchView,
    type_name(Sample): SampleView,
    type_name(Analysis): AnalysisView,
}


def with_tables_of(document: Mapping[str, Any], task: str = "analysis") -> Mapping[str, Any]:
    """Return the document of a run with the tables that the default workflow has.

    Other workflows have results by task only. Their tables are an analysis, and the results that
    it was called with.

    Parameters
    ----------
    document
        The content of ``results.json``.
    task
        The name of the analysis; for any other task the document is returned unchanged.
    """
    tasks = document.get("tasks") or {}
    main = tasks.get(task) or {}
    if "analysis" in document or _table_of(main) != "analysis":
        return document
    used = [main, *(tasks.get(name) or {} for name in main.get("after") or [])]
    return {**document, **{table: each["result"] for each in used if (table := _table_of(each))}}


def _table_of(task: Mapping[str, Any]) -> str | None:
    """Return the table of the default workflow that a task's result would be; None if none."""
    view = OWN_VIEWS.get(str(task.get("type")))
    return view.table if view is not None and isinstance(task.get("result"), dict) else None


def view_of(task: Mapping[str, Any]) -> ResultView:
    """Return the view of a task's result.

    Parameters
    ----------
    task
        Its table in ``results.json``.
    """
    result, own = task.get("result"), OWN_VIEWS.get(str(task.get("type")))
    if own is not None and isinstance(result, dict):
        return own(result)
    return StoredView(result, ShownResult.model_validate(task.get("view") or {}))


def _raw(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the energy before mitigation and its error, by the names of the mitigated one."""
    raw = table.get("raw") or {}
    error = raw.get("standard_error")
    return {"energy": raw.get("expectation"), "standard_error": error} if raw else {}


def _sampled(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the lines for the mean energy of a sample, raw and mitigated."""
    raw = _raw(table)
    if not raw:
        return [("sampled", _energy_text(table))]
    used = table.get("mitigation")
    method = used.get("method") if isinstance(used, dict) else used
    return [("sampled", _energy_text(raw)), ("mitigated", f"{_energy_text(table)}  ({method})")]


def _energy_text(table: Mapping[str, Any]) -> str:
    """Return an energy and its standard error."""
    return f"{_number(table, 'energy', '.6g')} ± {_number(table, 'standard_error', '.2g')}"


def _energy_key(label: str, table: Mapping[str, Any], note: str) -> Key:
    """Return the key number for an energy of a sample."""
    energy = with_error(table.get("energy"), table.get("standard_error"))
    value, _, error = energy.partition(PLUS_MINUS)
    return Key(label, value, note, error)


def _number(table: Mapping[str, Any], key: str, spec: str) -> str:
    """Return a number of a table as text; one that was not finite is null there."""
    value = table.get(key)
    return "unknown" if value is None else format(value, spec)


def _one_line(result: Any) -> str:
    """Return the numbers and texts of a result in a line, as far as they fit."""
    if not isinstance(result, dict):
        text = json.dumps(result)
    else:
        values = {
            key: as_text(value)
            for key, value in result.items()
            if isinstance(value, str | int | float) and "\n" not in str(value)
        }
        text = ", ".join(f"{key} {value}" for key, value in values.items()) or "completed"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _value(value: Any) -> str:
    """Return a value of a result as a table shows it."""
    return number(value) if isinstance(value, float) else toml(value)
