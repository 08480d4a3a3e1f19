"""Packs of searches on the local backend, with a real MPI launcher."""

from __future__ import annotations

import contextlib
from concurrent.futures import wait
from pathlib import Path

import failing_problems
import pytest
from waiting import PATIENCE_S, wait_until

from hybrid_parsl.engine.jobs.record import JobRecord, record_of_task
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.search_packs import is_packable
from hybrid_parsl.errors import ConfigurationError, RankFailedError
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.own_code import OwnCode
from hybrid_parsl.problems.registry import embed_code
from hybrid_parsl.stage_function import StageFunction
from hybrid_parsl.stages.analysis import analyse
from hybrid_parsl.stages.search import search
from hybrid_parsl.tasks.folder import TaskFolder

RANKS = {"num_ranks": 2}
SUPPORT = Path(failing_problems.__file__).parent


def experiment(seed=0, **problem):
    tables = {"problem": problem or {"kind": "bell"}, "search": {"starts": 2, "seed": seed}}
    return embed_code(parse_experiment({"name": "packed", **tables}, source="here"), [SUPPORT])


def failing(kind, **settings):
    return experiment(kind=f"failing_problems:{kind}", **settings)


def submit(executor, experiments):
    return [
        executor.submit(StageFunction(search, f"{number}.search", OwnCode()), RANKS, each)
        for number, each in enumerate(experiments)
    ]


def physics(result):
    return result.model_dump(exclude={"execution"})


def job_folders(tasks):
    return sorted(path.parent.name for path in tasks.glob("*/job.json"))


@contextlib.contextmanager
def packing(tasks):
    executor = PsiJExecutor("mpi", tasks)
    executor.pack_size = 100
    executor.start()
    try:
        yield executor
    finally:
        executor.shutdown()


@pytest.fixture
def executor(tmp_path):
    with packing(tmp_path) as executor:
        yield executor


@pytest.mark.usefixtures("thorough")
def test_one_job_for_all_searches_with_the_results_of_a_job_each(executor, tmp_path):
    experiments = [experiment(seed) for seed in range(7)]
    results = [each.result(PATIENCE_S) for each in submit(executor, experiments)]
    assert list(map(physics, results)) == [physics(search(each)) for each in experiments]
    assert {each.execution.n_ranks for each in results} == {1}
    assert job_folders(tmp_path) == ["search_pack"]
    record = record_of_task(TaskFolder(tmp_path / "3.search"))
    assert record == tmp_path / "search_pack" / "job.json"
    assert JobRecord.read(record).ended == "COMPLETED"


@pytest.mark.usefixtures("thorough")
def test_packs_hold_at_most_as_many_as_they_may(executor, tmp_path):
    executor.pack_size = 2
    futures = submit(executor, [experiment(seed) for seed in range(3)])
    assert sorted(each.result(PATIENCE_S).execution.n_ranks for each in futures) == [1, 1, 2]
    assert len(job_folders(tmp_path)) == 2


@pytest.mark.usefixtures("thorough")
def test_a_search_that_raises_fails_alone(executor, tmp_path):
    (tmp_path / "go").write_text("fail")
    experiments = [experiment(0), failing("Waiting", go=str(tmp_path / "go")), experiment(1)]
    first, second, third = submit(executor, experiments)
    with pytest.raises(RankFailedError, match="told to fail"):
        second.result(PATIENCE_S)
    assert physics(first.result(PATIENCE_S)) == physics(search(experiments[0]))
    assert physics(third.result(PATIENCE_S)) == physics(search(experiments[2]))
    assert job_folders(tmp_path) == ["search_pack"]


@pytest.mark.usefixtures("thorough")
def test_a_search_that_kills_its_rank_fails_alone(executor, tmp_path):
    experiments = [experiment(seed) for seed in range(9)]
    experiments[3] = failing("Fatal")
    futures = submit(executor, experiments)
    with pytest.raises(RankFailedError) as caught:
        futures[3].result(PATIENCE_S)
    assert caught.value.stderr_path == str(tmp_path / "3.search" / "stderr.log")
    for number, future in enumerate(futures):
        if number != 3:
            expected = physics(search(experiments[number]))
            assert physics(future.result(PATIENCE_S)) == expected, number
    assert "3.search" in job_folders(tmp_path)


def waiting(go):
    return [experiment(seed, kind="failing_problems:Waiting", go=str(go)) for seed in range(2)]


@pytest.mark.usefixtures("thorough")
def test_a_later_driver_tries_again_what_has_failed(executor, tmp_path):
    go = tmp_path / "go"
    go.write_text("fail")
    for each in submit(executor, waiting(go)):
        assert isinstance(each.exception(PATIENCE_S), RankFailedError)
    go.write_text("")
    with packing(tmp_path) as later:
        for each in submit(later, waiting(go)):
            each.result(PATIENCE_S)
    assert job_folders(tmp_path) == ["search_pack", "search_pack-2"]


@pytest.mark.usefixtures("thorough")
def test_a_later_driver_follows_a_search_with_a_job_of_its_own(executor, tmp_path):
    go = tmp_path / "go"
    executor.pack_size = 1
    first = submit(executor, waiting(go)[:1])
    wait_until((tmp_path / "0.search" / "ranks.json").exists)
    job = JobRecord.read(tmp_path / "0.search" / "job.json")
    with packing(tmp_path) as later:
        both = submit(later, waiting(go))
        go.touch()
        for each in (*first, *both):
            each.result(PATIENCE_S)
    now = JobRecord.read(tmp_path / "0.search" / "job.json")
    assert (now.job_id, now.tries) == (job.job_id, ())


@pytest.mark.usefixtures("thorough")
def test_results_are_there_before_the_pack_ends(executor, tmp_path):
    go = tmp_path / "go"
    slow = failing("Waiting", go=str(go))
    futures = submit(executor, [slow, *(experiment(seed) for seed in range(4))])
    wait(futures[1:], PATIENCE_S)
    assert [each.done() for each in futures] == [False, True, True, True, True]
    go.touch()
    futures[0].result(PATIENCE_S)


def test_a_pack_that_nobody_wants_is_cancelled(executor, tmp_path):
    futures = submit(executor, [failing("Slow"), failing("Slow")])
    record = tmp_path / "search_pack" / "job.json"
    wait_until((tmp_path / "1.search" / "ranks.json").exists)
    for each in futures:
        assert each.cancel()
    wait_until(lambda: JobRecord.read(record).ended == "CANCELED")


def test_a_shutdown_ends_packs_and_keeps_what_they_have(executor, tmp_path):
    futures = submit(executor, [failing("Slow"), experiment(0), experiment(1), failing("Slow")])
    wait_until((tmp_path / "3.search" / "ranks.json").exists)
    futures[1].result(PATIENCE_S)
    executor.shutdown()
    assert all(each.done() for each in futures)
    assert JobRecord.read(tmp_path / "search_pack" / "job.json").ended == "CANCELED"
    with packing(tmp_path) as later:
        same = submit(later, [failing("Slow"), experiment(0), experiment(1), failing("Slow")])
        assert same[1].done()
        assert same[2].done()
    assert all(each.done() for each in same)


def test_a_job_that_cannot_start_fails_all_of_its_searches(executor):
    executor.python = "/nonexistent/python"
    futures = submit(executor, [experiment(0), experiment(1)])
    for each in futures:
        assert each.exception(PATIENCE_S) is not None


def test_what_cannot_be_packed(executor):
    assert not is_packable(analyse)
    assert not is_packable(StageFunction(analyse, "analysis", OwnCode()))
    assert is_packable(StageFunction(search, "search", OwnCode()))
    with pytest.raises(ConfigurationError):
        executor.submit(StageFunction(search, "search", OwnCode()), {"num_ranks": 0}, experiment())
