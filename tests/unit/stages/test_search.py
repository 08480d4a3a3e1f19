"""The search stage, alone and on ranks."""

from __future__ import annotations

import pytest
from rank_functions import search_on_1_to_4
from waiting import PATIENCE_S

from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.stages.check import check_experiment
from hybrid_parsl.stages.search import search
from hybrid_parsl.tasks.folder import TASK_FOLDER_VARIABLE


def experiment(**settings):
    problem = {"kind": "maxcut", "nodes": 6, "degree": 3, "weights": "integer"}
    return parse_experiment({"name": "small", "problem": problem, "search": settings})


def physics(found):
    return found.model_dump(exclude={"execution"})


@pytest.mark.usefixtures("thorough")
def test_the_answer_is_the_same_to_the_last_digit_on_any_number_of_ranks(tmp_path):
    asked = experiment(starts=7)
    executor = PsiJExecutor("mpi", tmp_path)
    executor.start()
    try:
        found = executor.submit(search_on_1_to_4, {"num_ranks": 4}, asked).result(PATIENCE_S)
    finally:
        executor.shutdown()
    assert [each.execution.n_ranks for each in found] == [1, 2, 3, 4]
    alone = physics(search(asked))
    assert all(physics(each) == alone for each in found)
    (folder,) = tmp_path.glob("search_on_*")
    for n_ranks in (2, 3, 4):  # more than one rank had something to do
        assert len(list((folder / str(n_ranks)).glob("starts-*.jsonl"))) > 1


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("method", ["multistart", "grid", "sobol", "spsa", "cobyla", "draw"])
def test_every_method_gives_the_best_of_its_starts_and_repeats_itself(method):
    asked = experiment(starts=9, method=method, iterations=20)
    found = search(asked)
    assert found.method == method
    assert len(found.energies) == 9
    assert found.energy == min(found.energies) == found.energies[found.best_start]
    assert physics(search(asked)) == physics(found)


def test_single_precision_is_close_to_double():
    double = search(experiment(starts=3))
    single = search(experiment(starts=3, precision="single"))
    assert single.energy == pytest.approx(double.energy, rel=1e-4)


def test_finished_starts_are_not_carried_out_again(tmp_path, monkeypatch):
    monkeypatch.setenv(TASK_FOLDER_VARIABLE, str(tmp_path))
    asked = experiment(starts=6)
    first = search(asked)
    lines = (tmp_path / "starts-00000.jsonl").read_text()
    again = search(asked)
    assert (tmp_path / "starts-00000.jsonl").read_text() == lines
    assert physics(again) == physics(first)


def test_another_search_in_the_same_folder_does_not_take_them_over(tmp_path, monkeypatch):
    monkeypatch.setenv(TASK_FOLDER_VARIABLE, str(tmp_path))
    search(experiment(starts=4))
    other = search(experiment(starts=4, seed=5))
    monkeypatch.delenv(TASK_FOLDER_VARIABLE)
    assert physics(other) == physics(search(experiment(starts=4, seed=5)))


@pytest.mark.usefixtures("thorough")
def test_a_circuit_without_a_gradient_refuses_multistart():
    kind = "failing_problems:NeedsNumbers"
    asked = parse_experiment({"name": "bell", "problem": {"kind": kind}})
    for attempt in (search, check_experiment):
        with pytest.raises(ConfigurationError, match=r"search\.method: needs an exact gradient"):
            attempt(asked)
    free = parse_experiment(
        {"name": "bell", "problem": {"kind": kind}, "search": {"method": "cobyla"}}
    )
    check_experiment(free)
    assert search(free).energy == pytest.approx(-1.0, abs=1e-3)


def test_any_circuit_of_rotations_has_a_gradient():
    found = search(parse_experiment({"name": "bell", "problem": {"kind": "bell"}}))
    assert found.method == "multistart"
    assert found.energy == pytest.approx(-1.0, abs=1e-9)


def test_a_search_begins_where_another_one_ended():
    asked = experiment(starts=3)
    found = search(asked)
    again = search(asked, found)
    assert again.energies[0] <= found.energy + 1e-9
    assert again.energies[1:] == found.energies[1:]
    assert physics(search(asked, found.parameters)) == physics(again)


def test_a_search_with_more_layers_begins_at_interpolated_angles():
    asked = experiment(starts=1)
    found = search(asked)
    deeper = asked.model_copy(update={"ansatz.layers": 3})
    assert search(deeper, found).energy < found.energy


@pytest.mark.parametrize("start", [[], [0.1], [0.1, 0.2, 0.3], [float("nan"), 0.1]])
def test_a_start_that_does_not_fit_the_problem(start):
    with pytest.raises(ConfigurationError) as caught:
        search(experiment(starts=1), start)
    assert caught.value.key == "start"
