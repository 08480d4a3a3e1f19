"""A small part of what `fuzz.py` does, always the same."""

from __future__ import annotations

import pytest
from fuzz import content, try_one
from readers import EXPECTED, READERS

SEED = 0
N_INPUTS = 15


@pytest.mark.parametrize("kind", READERS)
def test_a_valid_file_is_read(kind, tmp_path):
    try:
        READERS[kind].read(tmp_path, READERS[kind].samples[0])
    except EXPECTED:
        assert kind in ("remote", "answer")  # of a run that failed


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("kind", READERS)
def test_a_damaged_file_is_refused_or_read_as_it_is(kind):
    for number in range(N_INPUTS):
        verdict = try_one(kind, number, SEED)
        assert not verdict.details, (verdict, content(kind, number, SEED))


def test_the_same_seed_does_the_same_damage():
    inputs = [content("results", number, SEED) for number in range(50)]
    assert inputs == [content("results", number, SEED) for number in range(50)]
    assert len(set(inputs)) > 40
    assert inputs != [content("results", number, SEED + 1) for number in range(50)]


def test_what_goes_wrong_is_noticed(monkeypatch):
    def raising(*_):
        raise KeyError

    def misread(*_):
        raise AssertionError

    for read, word in ((raising, "TRACEBACK KeyError"), (misread, "MISREAD")):
        monkeypatch.setitem(READERS, "lock", type(READERS["lock"])([b"x"], read))
        assert try_one("lock", 0, SEED).outcome == word
