"""``hybrid-parsl diff``: what differs between two runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import AsJson, RunName, RunsDirectory
from hybrid_parsl.cli.output import say
from hybrid_parsl.cli.runs import find_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.records.run_difference import Changed, EnergyDifference

_LONGEST = 60


def diff(
    first: RunName,
    second: RunName,
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two runs, and whether their energies do."""
    from hybrid_parsl.records.run_difference import compare_runs

    runs = [find_run(runs_dir, name) for name in (first, second)]
    found = compare_runs(*(each.read_results() for each in runs))
    if as_json:
        energies = [
            {**asdict(each), "difference": each.difference, "p_value": each.p_value}
            for each in found.energies
        ]
        names = [each.path.name for each in runs]
        say(json.dumps({"runs": names, **asdict(found), "energies": energies}))
        return
    say(f"first   {runs[0].path.name}\nsecond  {runs[1].path.name}")
    for title, changes in (
        ("run", found.run),
        ("experiment", found.experiment),
        ("versions", found.versions),
    ):
        say(f"\n{title}: {'' if changes else 'no difference'}".rstrip())
        print_changes(changes)
    say("\nenergies:" if found.energies else "\nenergies: no task in both has one")
    for energy in found.energies:
        say(f"  {_in_words(energy)}")


def print_changes(changes: Sequence[Changed]) -> None:
    """Print a line for each value that differs."""
    width = max((len(each.key) for each in changes), default=0)
    for each in changes:
        first, second = _text(each.first), _text(each.second)
        change = f"{first} -> {second}" if first != second else "(long values that differ)"
        say(f"  {each.key:{width}}  {change}")


def _text(value: Any) -> str:
    """Return a value in a line."""
    text = "(none)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _in_words(energy: EnergyDifference) -> str:
    """Return how two energies differ, and what that means."""
    numbers = f"{energy.task}: {energy.first:.8g} -> {energy.second:.8g}"
    if energy.difference == 0:
        return f"{numbers}, equal"
    change = f"{numbers}, {energy.difference:+.3g}"
    if energy.p_value is None:
        return change
    if not energy.standard_error:
        return f"{change}, without an error bar"
    errors = abs(energy.difference) / energy.standard_error
    return f"{change} ({errors:.1f} standard errors of the difference, p = {energy.p_value:.2g})"
