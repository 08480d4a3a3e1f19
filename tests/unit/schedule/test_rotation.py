from __future__ import annotations

import pytest

from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.records.run_lock import run_lock
from hybrid_parsl.schedule.attempts import Attempt
from hybrid_parsl.schedule.clock import Moment
from hybrid_parsl.schedule.rotation import rotate

NOW = Moment.now(None)


@pytest.fixture
def made(tmp_path):
    def make(number, status="completed"):
        paths = []
        for _ in range(number):
            directory = RunDirectory.create(tmp_path, "bell")
            directory.write_json("results.json", {"run": {"status": status}})
            paths.append(directory.path)
        return paths

    return make


def attempts(*paths):
    return [
        Attempt(str(n), NOW, "@daily", None, by_hand=False, process="p", run=path and str(path))
        for n, path in enumerate(paths)
    ]


def test_the_newest_are_kept(made, tmp_path):
    a, b, c, d = made(4)
    assert rotate(attempts(a, None, b, c, d), tmp_path, 2) == [a, b]
    assert sorted(tmp_path.iterdir()) == sorted([c, d])


def test_those_of_others_are_not_touched(made, tmp_path):
    mine, theirs, last = made(3)
    assert rotate(attempts(mine, last), tmp_path, 1) == [mine]
    assert theirs.is_dir()


def test_one_that_was_removed_already_does_not_count(made, tmp_path):
    a, b = made(2)
    assert rotate(attempts(tmp_path / "gone", a, b), tmp_path, 2) == []


def test_elsewhere_nothing_is_removed(made, tmp_path):
    a, b = made(2)
    assert rotate(attempts(a, b), tmp_path / "other", 1) == []
    link = tmp_path / "link"
    link.symlink_to(a)
    assert rotate(attempts(link, b), tmp_path, 1) == []
    assert a.is_dir()


def test_one_with_a_driver_stays(made, tmp_path):
    a, b = made(2)
    with run_lock(RunDirectory(a).lock, "run"):
        assert rotate(attempts(a, b), tmp_path, 1) == []
    assert rotate(attempts(a, b), tmp_path, 1) == [a]


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_one_that_can_be_resumed_stays(made, tmp_path, status):
    (left,), (b,) = made(1, status), made(1)
    assert rotate(attempts(left, b), tmp_path, 1) == []


@pytest.mark.parametrize("text", ["[]", '{"run"', "{}"])
def test_one_whose_results_tell_nothing_stays(made, tmp_path, text):
    a, b = made(2)
    (a / "results.json").write_text(text)
    assert rotate(attempts(a, b), tmp_path, 1) == []
