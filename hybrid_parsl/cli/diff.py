"""``hybrid-parsl diff``: what differs between two runs."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import AsJson, RunName, RunsDirectory
from hybrid_parsl.cli.output import say
from hybrid_parsl.cli.runs import find_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.records.run_difference import Changed, EnergyDifference, RunDifference

_LONGEST = 60
_MOST_CHANGES = 2
_MOST_NAMED = 5


def diff(
    first: RunName,
    second: RunName,
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two runs, and whether results do."""
    from hybrid_parsl.records.run_difference import changed_code, compare_runs

    runs = [find_run(runs_dir, name) for name in (first, second)]
    found = compare_runs(*(each.read_results() for each in runs))
    code = changed_code(*(each.path for each in runs))
    if as_json:
        energies = [
            {**asdict(each), "difference": each.difference, "p_value": each.p_value}
            for each in found.energies
        ]
        names = [each.path.name for each in runs]
        files = [asdict(each) for each in code]
        say(json.dumps({"runs": names, **asdict(found), "code": files, "energies": energies}))
        return
    say(f"first   {runs[0].path.name}\nsecond  {runs[1].path.name}")
    for title, changes in (
        ("run", found.run),
        ("experiment", found.experiment),
        ("versions", found.versions),
        ("code", code),
    ):
        say(f"\n{title}: {'' if changes else 'no difference'}".rstrip())
        print_changes(changes)
    _print_results(found)


def _print_results(found: RunDifference) -> None:
    """Print how the results differ: of a run those of each task, of studies a line for a point."""
    if found.points:
        _print_points(found)
    elif not found.n_tasks:
        say("\nresults: no task in both")
    else:
        say("\nenergies:" if found.energies else "\nenergies: no task in both has one")
        for energy in found.energies:
            say(f"  {_in_words(energy)}")
        say(f"\nother results: {'' if found.results else 'no difference'}".rstrip())
        print_changes(found.results)
    for which, missing in (("first", found.only_first), ("second", found.only_second)):
        if missing:
            more = f"; and {len(missing) - _MOST_NAMED} more" * (len(missing) > _MOST_NAMED)
            say(f"\nonly in the {which}, {len(missing)}: {'; '.join(missing[:_MOST_NAMED])}{more}")


def _print_points(found: RunDifference) -> None:
    """Print how many points of two studies differ, and a line for each of them."""
    from hybrid_parsl.records.run_difference import SIGNIFICANCE

    changes: dict[str, list[str]] = defaultdict(list)
    significant = {each.point for each in found.changed_energies if found.is_significant(each)}
    for energy in found.changed_energies:
        changes[energy.point].append(_in_words(energy).replace(f" at {energy.point}", "", 1))
    for each in found.results:
        changes[each.point].append(f"{each.key}: {_text(each.first)} -> {_text(each.second)}")
    n_equal = len(found.points) - len(changes)
    say(f"\npoints: {len(found.points)} in both, {n_equal} equal, {len(changes)} differ")
    if any(each.standard_error for each in found.energies):
        level = f"at {SIGNIFICANCE:.0%} for all energies together"
        say(f"  {len(significant)} have an energy that differs significantly, {level}")
    for point, words in changes.items():
        more = f"; {len(words) - _MOST_CHANGES} more numbers" * (len(words) > _MOST_CHANGES)
        say(f"  {point}: {'; '.join(words[:_MOST_CHANGES])}{more}")


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
