from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.engine.tasks.resource_request import ResourceRequest
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Resources

COUNT = st.none() | st.integers(1, 50)


def test_nothing_asked_is_one_rank_for_an_hour() -> None:
    assert ResourceRequest.from_parsl({}) == ResourceRequest(1, 1, 1, 3600)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"num_nodes": 3}, (3, 1, 3)),
        ({"ranks_per_node": 4}, (1, 4, 4)),
        ({"num_ranks": 5}, (1, 5, 5)),
        ({"num_nodes": 2, "num_ranks": 5}, (2, 3, 5)),
        ({"num_nodes": 2, "ranks_per_node": 4, "num_ranks": 7}, (2, 4, 7)),
    ],
)
def test_what_is_left_out_follows(asked: dict[str, int], expected: tuple[int, ...]) -> None:
    request = ResourceRequest.from_parsl({**asked, "walltime_s": 60})
    assert (request.num_nodes, request.ranks_per_node, request.num_ranks) == expected
    assert request.walltime_s == 60


@pytest.mark.parametrize("key", ["num_nodes", "ranks_per_node", "num_ranks", "walltime_s"])
@pytest.mark.parametrize("value", [0, -1, 1.0, "2", True, None])
def test_a_value_that_is_no_positive_whole_number(key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be a positive integer") as caught:
        ResourceRequest.from_parsl({key: value})
    assert (caught.value.key, caught.value.found) == (key, repr(value))
    assert caught.value.source == "resource specification"


@pytest.mark.parametrize("key", ["cores_per_rank", "gpus_per_rank"])
@pytest.mark.parametrize("value", [0, -1, 1.0, "2", True])
def test_cores_and_gpus_are_positive_integers(key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be a positive integer") as caught:
        ResourceRequest.from_parsl({key: value})
    assert (caught.value.key, caught.value.found) == (key, repr(value))


@pytest.mark.parametrize("value", [0, -0.5, "2", True, float("inf"), float("nan")])
def test_memory_is_a_positive_number(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be a positive number") as caught:
        ResourceRequest.from_parsl({"memory_gib_per_rank": value})
    assert (caught.value.key, caught.value.found) == ("memory_gib_per_rank", repr(value))


def test_what_ranks_do_not_ask_for_is_left_to_the_site() -> None:
    keys = ("cores_per_rank", "memory_gib_per_rank", "gpus_per_rank")
    asked = ResourceRequest.from_parsl(dict.fromkeys(keys))
    assert asked == ResourceRequest.from_parsl({})
    assert [getattr(asked, key) for key in keys] == [None, None, None]
    asked = ResourceRequest.from_parsl(dict(zip(keys, (2, 0.5, 1), strict=True)))
    assert [getattr(asked, key) for key in keys] == [2, 0.5, 1]


def test_an_unknown_key() -> None:
    with pytest.raises(ConfigurationError, match="unknown key") as caught:
        ResourceRequest.from_parsl({"cores": 3})
    assert (caught.value.key, caught.value.found) == ("cores", "cores")
    assert "ranks_per_node" in str(caught.value.valid)


@given(nodes=COUNT, each=COUNT, total=COUNT)
def test_a_request_is_consistent_or_refused(
    nodes: int | None, each: int | None, total: int | None
) -> None:
    keys = {"num_nodes": nodes, "ranks_per_node": each, "num_ranks": total}
    asked = {key: value for key, value in keys.items() if value is not None}
    fits = total is None or (nodes or 1) <= total <= (nodes or 1) * (each or 50)
    if not fits:
        with pytest.raises(ConfigurationError, match="does not fit") as caught:
            ResourceRequest.from_parsl(asked)
        assert caught.value.key == "num_ranks"
        return
    request = ResourceRequest.from_parsl(asked)
    assert request.num_nodes <= request.num_ranks
    assert request.num_ranks <= request.num_nodes * request.ranks_per_node
    assert all(getattr(request, key) == value for key, value in asked.items())


@given(nodes=st.integers(1, 20), each=COUNT, total=COUNT)
def test_every_valid_table_of_an_experiment_is_a_valid_request(
    nodes: int, each: int | None, total: int | None
) -> None:
    keys = {"num_nodes": nodes, "ranks_per_node": each, "num_ranks": total}
    try:
        table = Resources.model_validate({k: v for k, v in keys.items() if v is not None})
    except (ValueError, ConfigurationError):
        return
    asked = table.model_dump(exclude={"retries", "grow", "pack"})
    assert vars(ResourceRequest.from_parsl(asked)) == asked


def test_the_same_in_psijs_words() -> None:
    even = ResourceRequest(2, 3, 6, 60).to_psij()
    assert (even.node_count, even.processes_per_node) == (2, 3)
    assert even.computed_process_count == 6
    odd = ResourceRequest(2, 3, 5, 60).to_psij()
    assert odd.process_count == 5
    assert odd.computed_process_count == 5


def test_ranks_are_spread_over_the_nodes_of_a_block() -> None:
    asked = ResourceRequest.from_parsl({"num_nodes": 1, "ranks_per_node": 3})
    spread = asked.spread_over(2, 2)
    assert (spread.num_nodes, spread.ranks_per_node, spread.num_ranks) == (2, 2, 3)
    with pytest.raises(ConfigurationError, match="a block of 1 nodes with 2 ranks each") as caught:
        asked.spread_over(2, 1)
    assert caught.value.found == "3"
    assert caught.value.valid is not None
    assert caught.value.valid.startswith("1 to 2, or larger")
