"""The team of real MPI ranks keeps the promises of `Team`."""

from __future__ import annotations

import os

import pytest
import rank_functions as functions

from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.mpi.team import current_team
from hybrid_parsl.optimize.team import SoloTeam


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    executor = PsiJExecutor("mpi", tmp_path_factory.mktemp("tasks"))
    executor.start()
    yield executor
    executor.shutdown()


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("n_ranks", [1, 2])
def test_each_number_is_taken_once(executor, n_ranks):
    shares = executor.submit(functions.count_together, {"num_ranks": n_ranks}, 500).result(600)
    for deal in (shares[:n_ranks], shares[n_ranks:]):
        assert sorted(number for share in deal for number in share) == list(range(500))
    assert all(share == sorted(share) for share in shares)


@pytest.mark.usefixtures("thorough")
def test_share_is_rank_0s_and_once_per_node_is_once(executor, tmp_path):
    mark = str(tmp_path / "mark")
    shared, seen = executor.submit(functions.share_and_once, {"num_ranks": 3}, mark).result(600)
    assert shared == ["from 0"] * 3
    assert seen == 1


def test_a_plain_process_is_alone():
    team = SoloTeam()
    assert list(team.deal(3)) == list(team.deal(3)) == [0, 1, 2]
    assert team.gather("a") == ["a"]
    assert team.hosts() == [os.uname().nodename]
    assert isinstance(current_team(), SoloTeam)
