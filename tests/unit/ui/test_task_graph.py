"""The graph of a run."""

from __future__ import annotations

import pytest
from ui_runs import results, study

from hybrid_parsl.ui.task_graph import WIDTH, task_graph


def graph_of(**after):
    return task_graph(
        {"tasks": {name: {"status": "completed", "after": each} for name, each in after.items()}}
    )


def test_each_task_is_right_of_what_it_waits_for():
    graph = task_graph(results())
    x = {node.name: node.x for node in graph.nodes}
    assert x["search"] + WIDTH < x["quantum"]
    assert x["quantum"] + WIDTH < x["analysis"]
    assert len(graph.edges) == 3
    assert graph.nodes[0].detail == "completed, 2 s"
    assert all(0 <= node.x < graph.width and 0 <= node.y < graph.height for node in graph.nodes)


def test_tasks_of_one_column_are_apart():
    graph = graph_of(a=[], b=["a"], c=["a"], d=["b", "c"])
    y = {node.name: node.y for node in graph.nodes}
    assert abs(y["b"] - y["c"]) > 54
    assert y["a"] == y["d"]


def test_a_study_has_the_graph_of_its_kinds_of_tasks():
    graph = task_graph(study(5))
    assert graph.is_grouped
    assert [(node.name, node.detail) for node in graph.nodes] == [("search", "5 completed")]


def test_many_tasks_are_grouped_by_function():
    tasks = {
        f"t{k}": {
            "status": "failed" if k == 7 else "completed",
            "function": f"lab:{'ab'[k % 2]}",
            "after": [f"t{k - 1}"] if k % 2 else [],
        }
        for k in range(100)
    }
    graph = task_graph({"tasks": tasks})
    assert [node.name for node in graph.nodes] == ["a", "b"]
    assert [node.tone for node in graph.nodes] == ["good", "bad"]
    assert len(graph.edges) == 1


@pytest.mark.usefixtures("thorough")
def test_circles_and_unknown_names_of_damaged_files_do_no_harm():
    graph = graph_of(a=["b"], b=["a", "nothing"], c=["c"])
    assert len(graph.nodes) == 3
    assert task_graph({"tasks": {}}) is None
    assert task_graph({}) is None
