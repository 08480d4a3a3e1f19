from __future__ import annotations

import socket

from hybrid_parsl.optimize.team import SoloTeam


def test_one_process_is_a_team() -> None:
    team = SoloTeam()
    assert (team.rank, team.size) == (0, 1)
    assert [list(team.deal(n)) for n in (4, 0, 2)] == [[0, 1, 2, 3], [], [0, 1]]
    assert team.gather("a") == ["a"]
    assert team.share("b") == "b"
    assert team.hosts() == [socket.gethostname()]
    done: list[int] = []
    team.once_per_node(lambda: done.append(1))
    assert done == [1]
