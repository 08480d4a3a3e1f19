from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from hybrid_parsl.optimize.journal import Journal
from hybrid_parsl.optimize.progress import SearchProgress
from hybrid_parsl.optimize.start import Start

if TYPE_CHECKING:
    from pathlib import Path

STARTS = [Start(index, -float(index), [], [], 1) for index in range(6)]


def seen(progress: SearchProgress) -> tuple[int, float]:
    progress.update()
    return progress.n_done, progress.best_energy


def test_before_anything_is_written(tmp_path: Path) -> None:
    assert seen(SearchProgress(tmp_path / "later", 99)) == (0, math.inf)


def test_in_words(tmp_path: Path) -> None:
    progress = SearchProgress(tmp_path, 9)
    assert progress.words() == progress.counted() == "0/9 starts"
    Journal(tmp_path, "key").append(0, STARTS[1:3])
    progress.update()
    assert progress.counted() == "2/9 starts"
    assert progress.words(" of ") == "2 of 9 starts, best energy -2"


def test_it_follows_every_rank(tmp_path: Path) -> None:
    progress = SearchProgress(tmp_path, 99)
    journal = Journal(tmp_path, "key")
    journal.append(0, STARTS[1:2])
    assert seen(progress) == (1, -1.0)
    assert seen(progress) == (1, -1.0)
    journal.append(1, STARTS[3:5])
    assert seen(progress) == (3, -4.0)
    journal.append(0, [STARTS[0], STARTS[2]])
    assert seen(progress) == (5, -4.0)


def test_a_line_counts_when_it_is_whole(tmp_path: Path) -> None:
    Journal(tmp_path, "key").append(0, STARTS)
    path = tmp_path / "starts-00000.jsonl"
    whole = path.read_bytes()
    path.unlink()
    progress = SearchProgress(tmp_path, 99)
    counts = []
    with path.open("ab", buffering=0) as file:
        for first in range(0, len(whole), 5):
            file.write(whole[first : first + 5])
            counts.append(seen(progress)[0])
    assert counts == sorted(counts)
    assert {0, 1, 2, 3, 4, 5, 6} == set(counts)
    assert seen(progress) == (6, -5.0)


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    progress = SearchProgress(tmp_path, 99)
    (tmp_path / "starts-00000.jsonl").write_bytes(b'\n{"search":"key","index":0,"ene')
    assert seen(progress) == (0, math.inf)
    Journal(tmp_path, "key").append(0, STARTS[2:3])
    assert seen(progress) == (1, -2.0)


def test_starts_that_are_not_asked_for_any_more_do_not_count(tmp_path):
    journal = Journal(tmp_path, "key")
    journal.append(0, [Start(index, -float(index), [], [], 1) for index in range(5)])
    progress = SearchProgress(tmp_path, 3)
    progress.update()
    assert (progress.n_done, progress.best_energy) == (3, -2.0)


def test_the_starts_of_earlier_tries_do_not_count_for_the_rate(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "key")
    ranks = tmp_path / "ranks.json"
    journal.append(0, STARTS[:2])
    progress = SearchProgress(tmp_path, 99)
    progress.update()
    assert (progress.n_done, progress.n_new) == (2, 0)
    ranks.write_text("[]")
    os.utime(ranks, (1000, 1000))
    journal.append(0, STARTS[2:5])
    progress.update()
    assert (progress.n_done, progress.n_new) == (5, 3)
    assert progress.starts_per_s(6.0) == 0.5
    os.utime(ranks, (2000, 2000))  # the scheduler has started the job again
    progress.update()
    assert (progress.n_done, progress.n_new, progress.starts_per_s()) == (5, 0, 0.0)
    journal.append(0, STARTS[5:])
    progress.update()
    assert (progress.n_done, progress.n_new) == (6, 1)
    assert 0 < progress.starts_per_s() < 1e-6  # since 1970
