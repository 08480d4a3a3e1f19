from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from analytic_objectives import BOX, Cosines, Quadratic, WithoutGradient
from hypothesis import given
from hypothesis import strategies as st
from thread_team import on_threads

from hybrid_parsl.errors import ConfigurationError, StorageError
from hybrid_parsl.experiment import Search
from hybrid_parsl.optimize.journal import Journal
from hybrid_parsl.optimize.points import SobolPoints
from hybrid_parsl.optimize.registry import OPTIMIZERS, load_optimizer
from hybrid_parsl.optimize.search import Outcome, search
from hybrid_parsl.optimize.team import SoloTeam

if TYPE_CHECKING:
    from pathlib import Path

    from thread_team import ThreadTeam

NOTHING = Journal(None, "")
ONE_POINT = {"draw", "grid", "sobol"}
METHODS = sorted(OPTIMIZERS.built_in)


def alone(asked: Search, journal: Journal = NOTHING, objective: Any = None) -> Outcome:
    outcome = search(objective or Cosines(), BOX, asked, SoloTeam(), journal)
    assert outcome is not None
    return outcome


def together(size: int, asked: Search, journal: Journal = NOTHING) -> Outcome:
    def rank(team: ThreadTeam) -> Outcome | None:
        return search(Cosines(), BOX, asked, team, journal)

    first, *others = on_threads(size, rank)
    assert others == [None] * (size - 1)
    return first


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each start of ``sobol`` is carried out."""
    runs: Counter[int] = Counter()
    first_point = SobolPoints.first_point

    def counting(self: SobolPoints, bounds: Any, index: int) -> Any:
        runs[index] += 1
        return first_point(self, bounds, index)

    monkeypatch.setattr(SobolPoints, "first_point", counting)
    return runs


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_minimum_of_a_cosine(method: str) -> None:
    starts = 400 if method in ONE_POINT else 3
    outcome = alone(Search(method=method, starts=starts, iterations=200, seed=2))
    near = 0.02 if starts == 400 else 0.001
    assert outcome.best.energy == pytest.approx(-2, abs=near)
    assert outcome.best.energy == Cosines().energy(np.array(outcome.best.parameters))
    assert len(outcome.energies) == starts
    assert min(outcome.energies) == outcome.best.energy == outcome.energies[outcome.best.index]


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("method", METHODS)
def test_the_outcome_is_the_same_however_starts_are_shared(method: str) -> None:
    starts = 300 if method in ONE_POINT else 11
    asked = Search(method=method, starts=starts, iterations=6, seed=3)
    expected = alone(asked)
    for size in (1, 2, 3, 4):
        assert together(size, asked) == expected


@pytest.mark.usefixtures("thorough")
@given(starts=st.integers(1, 300), size=st.integers(1, 6), seed=st.integers(0, 9))
def test_every_start_is_carried_out_once(starts: int, size: int, seed: int) -> None:
    asked = Search(method="draw", starts=starts, seed=seed)
    outcome = together(size, asked)
    assert outcome == alone(asked)
    assert outcome.n_evaluations == starts


def test_a_slow_rank_holds_up_nobody(counted: Counter[int]) -> None:
    asked = Search(method="sobol", starts=64, seed=1)
    taken: Counter[int] = Counter()

    def rank(team: ThreadTeam) -> Outcome | None:
        class Slow(Cosines):
            def energy(self, parameters: Any) -> float:
                taken[team.rank] += 1
                time.sleep(0.02 if team.rank == 1 else 0.0005)
                return super().energy(parameters)

        return search(Slow(), BOX, asked, team, NOTHING)

    outcome = on_threads(3, rank)[0]
    assert set(counted.values()) == {1}
    assert taken.total() == 64
    assert taken[1] < 20
    assert outcome.energies == alone(asked).energies


def test_the_first_of_equal_starts_is_the_best() -> None:
    class Flat(Cosines):
        def energy(self, parameters: Any) -> float:  # noqa: ARG002
            return 1.0

    outcome = search(Flat(), BOX, Search(method="draw", starts=20), SoloTeam(), NOTHING)
    assert outcome is not None
    assert outcome.best.index == 0
    flat = on_threads(
        3, lambda team: search(Flat(), BOX, Search(method="draw", starts=20), team, NOTHING)
    )
    assert flat[0] == outcome


def test_a_method_that_needs_a_gradient_is_refused_without_one() -> None:
    objective = WithoutGradient(Quadratic())
    with pytest.raises(ConfigurationError) as caught:
        alone(Search(method="multistart", starts=1), objective=objective)
    assert (caught.value.key, caught.value.found) == ("search.method", "multistart")
    assert set(str(caught.value.valid).split(", ")) == set(METHODS) - {"multistart"}
    for method in set(METHODS) - {"multistart"}:
        asked = Search(method=method, starts=4, iterations=2)
        assert len(alone(asked, objective=objective).energies) == 4


def test_all_energies_infinite_is_an_outcome_of_its_own() -> None:
    class Nowhere(Cosines):
        def energy(self, parameters: Any) -> float:  # noqa: ARG002
            return float("nan")

    outcome = alone(Search(method="draw", starts=5), objective=Nowhere())
    assert outcome.best.energy == float("inf")
    assert outcome.best.parameters == []


# ---- going on from a journal


def torn(folder: Path, expected: Outcome, asked: Search) -> None:
    """Leave what a killed search of two ranks might: whole lines, a torn one, old ones, twice."""
    journal = Journal(folder, "key")
    starts = [load_optimizer(asked).run(Cosines(), BOX, index) for index in range(12)]
    journal.append(0, starts[:5])
    journal.append(1, starts[3:9])
    other = [dataclasses.replace(start, energy=-99.0) for start in starts]
    Journal(folder, "another search").append(0, other)
    with (folder / "starts-00001.jsonl").open("ab") as file:
        file.write(b'\n{"search":"key","index":11,"energy":-98.0,"para')
    journal.append(2, [dataclasses.replace(starts[0], index=1000, energy=-97.0)])
    assert expected.energies[:5] == [start.energy for start in starts[:5]]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_killed_search_goes_on_where_it_was(
    tmp_path: Path, counted: Counter[int], size: int
) -> None:
    asked = Search(method="sobol", starts=40, seed=6)
    expected = alone(asked)
    torn(tmp_path, expected, asked)
    counted.clear()
    assert together(size, asked, Journal(tmp_path, "key")) == expected
    assert counted == Counter(range(9, 40))


def test_a_finished_search_is_not_carried_out_again(tmp_path: Path, counted: Counter[int]) -> None:
    asked = Search(method="sobol", starts=30, seed=6)
    journal = Journal(tmp_path, "key")
    first = together(3, asked, journal)
    assert len(journal.read()) == 30
    counted.clear()
    assert together(2, asked, journal) == first == alone(asked, journal)
    assert counted == {}


def test_the_journal_holds_whole_starts_while_the_search_runs(tmp_path: Path) -> None:
    asked = Search(method="cobyla", starts=6, iterations=10, seed=1)
    outcome = together(2, asked, Journal(tmp_path, "key"))
    kept = Journal(tmp_path, "key").read()
    assert [kept[index].energy for index in range(6)] == outcome.energies
    assert kept[outcome.best.index] == outcome.best
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().split("\n") if line]
    assert all(len(json.loads(line)["parameters"]) == 2 for line in lines)


def test_a_full_disk_ends_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "read", lambda _: {})  # /dev/full can be read without end
    (tmp_path / "starts-00000.jsonl").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left"):
        search(Cosines(), BOX, Search(method="draw"), SoloTeam(), Journal(tmp_path, "key"))
