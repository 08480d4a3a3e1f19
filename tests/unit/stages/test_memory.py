"""Whether a search fits is found out before it begins, and told with the key that decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hybrid_parsl.errors import ConfigurationError, InsufficientMemoryError
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.simulate import free_memory
from hybrid_parsl.simulate.alternating import AlternatingState
from hybrid_parsl.simulate.circuit_program import circuit_bytes
from hybrid_parsl.stages.check import check_experiment, check_memory_here
from hybrid_parsl.stages.memory import check_search_memory
from hybrid_parsl.stages.search import search

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Experiment

MAXCUT = {"kind": "maxcut", "nodes": 20}
ISING = {"kind": "ising", "h": [0.5] * 20, "J": [[0, 1, 1.0]]}


def asked(problem: dict[str, Any], **search_keys: Any) -> Experiment:
    table = {"name": "x", "problem": problem, "ansatz": {"layers": 3}, "search": search_keys}
    return parse_experiment(table)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let this host have so many bytes."""
    monkeypatch.setattr(free_memory, "_PAUSE_S", 0)

    def set_free(n_bytes: int) -> None:
        monkeypatch.setattr(free_memory, "available_bytes", lambda: n_bytes)

    return set_free


def needed(experiment: Experiment, n_ranks: int, free: Any) -> int:
    """Return the bytes that `n_ranks` ranks are said to need."""
    free(0)
    with pytest.raises(InsufficientMemoryError) as caught:
        check_memory_here(experiment, n_ranks, samples=False)
    return caught.value.required_bytes


@pytest.mark.parametrize("n_ranks", [1, 3])
@pytest.mark.parametrize("problem", [MAXCUT, ISING])
def test_what_is_said_to_fit_fits(problem: dict[str, Any], n_ranks: int, free: Any) -> None:
    experiment = asked(problem)
    total = needed(experiment, n_ranks, free)
    assert total == n_ranks * needed(experiment, 1, free)
    free(total)
    check_memory_here(experiment, n_ranks, samples=False)
    free(total - 1)
    with pytest.raises(InsufficientMemoryError, match=r"19 qubits on ") as caught:
        check_memory_here(experiment, n_ranks, samples=False)
    assert caught.value.available_bytes == total - 1
    assert ("on 1 rank" in str(caught.value.valid)) is True


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("problem", [MAXCUT, ISING])
def test_it_is_what_a_rank_takes(problem: dict[str, Any], precision: Any, free: Any) -> None:
    experiment = asked(problem, precision=precision)
    said = needed(experiment, 1, free)
    free(2**40)
    cost = build_problem(experiment.problem).cost_diagonal()
    assert cost is not None
    state = AlternatingState(cost, 3, precision=precision)
    state.energy_and_gradient(np.full(6, 0.1))
    held = [each for each in vars(state._buffers).values() if isinstance(each, np.ndarray)]
    parts = {id(each): each.nbytes for each in held if each.base is not cost and each is not cost}
    taken = cost.nbytes + sum(parts.values())
    assert said == pytest.approx(taken, rel=0.1)


def test_half_of_a_symmetric_state_and_no_gradient_take_less(free: Any) -> None:
    without = needed(asked(ISING, method="grid"), 1, free)
    assert needed(asked(MAXCUT, method="grid"), 1, free) < 0.7 * without
    assert without < 0.7 * needed(asked(ISING), 1, free)


@pytest.mark.parametrize(
    ("problem", "key"),
    [
        (MAXCUT, "problem.nodes"),
        ({"kind": "maxcut", "edges": [[0, 19]]}, "problem.edges"),
        (ISING, "problem.h"),
        ({"kind": "ising", "J": [[0, 19, 1.0]]}, "problem.J"),
        ({"kind": "ising", "qubo": np.eye(20).tolist()}, "problem.qubo"),
    ],
)
def test_the_key_that_decides_is_named(problem: dict[str, Any], key: str, free: Any) -> None:
    free(1000)
    with pytest.raises(InsufficientMemoryError, match="a search with 20 qubits") as caught:
        check_memory_here(asked(problem), 2, samples=False)
    assert caught.value.key == key


def test_the_ranks_check_it_themselves_before_they_take_any(free: Any) -> None:
    free(1000)
    with pytest.raises(InsufficientMemoryError, match="20 qubits on 1 rank of") as caught:
        search(asked(MAXCUT))
    assert caught.value.key == "problem.nodes"


def test_elsewhere_nothing_is_measured(free: Any) -> None:
    free(0)
    check_memory_here(asked(MAXCUT), 0, samples=False)


def test_any_circuit_has_a_state_and_its_adjoint(free: Any) -> None:
    bell = asked({"kind": "bell"}, method="draw")
    problem = build_problem(bell.problem)
    needed = 4 * circuit_bytes(problem.n_qubits)
    free(needed)
    check_search_memory(bell, problem, 4)
    free(needed - 1)
    with pytest.raises(InsufficientMemoryError):
        check_search_memory(bell, problem, 4)


def test_what_no_memory_holds_is_refused_everywhere() -> None:
    with pytest.raises(ConfigurationError, match="more qubits than any memory") as caught:
        check_experiment(asked({"kind": "failing_problems:Huge"}))
    assert (caught.value.key, caught.value.found) == ("problem", "64 qubits")
