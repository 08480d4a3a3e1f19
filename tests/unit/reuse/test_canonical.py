from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from hybrid_parsl.own_code import OwnCode, SourceFile
from hybrid_parsl.reuse.canonical import CanonicalForm, NotReusableError, fingerprint


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Point:
    x: float
    y: Any = None


class Model(BaseModel):
    x: int
    seed: int | None = 0


class Other(BaseModel):
    x: int
    seed: int | None = 0


def code(text: bytes) -> OwnCode:
    return OwnCode((SourceFile("/folder", "mine.py", text),))


def of(value: Any) -> str:
    return fingerprint(CanonicalForm().of(value))


VALUES = [
    *(None, True, 1, 1.0, "1", b"1", 1j, [1], (1,), {1}, frozenset({1}), {"1": 1}, {1: 1}),
    *([1, 2], [2, 1], [[1], 2], {"a": 1, "b": 2}, {"b": 2, "a": 1}, float("nan"), float("inf")),
    *(Colour.RED, Colour.BLUE, Point(1.0), Point(1.0, 2), Model(x=1), Model(x=2), Other(x=1)),
    *(np.float64(1), np.float32(1), np.int64(1), np.array([1.0]), np.array([[1.0]])),
    *(np.array([1, 2]), np.array([2, 1]), np.array([1, 2], ">i8"), code(b"a = 1"), code(b"a = 2")),
]


def test_different_values_differ() -> None:
    assert len(set(map(of, VALUES))) == len(VALUES)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"b", "a", "c"}, {"c", "a", "b"}),
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2).copy().reshape(2, 3)),
        (np.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T.copy()),
        ([(1, "a"), (1, "a")], [(1, "a")] * 2),
        (Model(x=1), Model(x=1, seed=0)),
    ],
)
def test_equal_values_are_the_same_whatever_they_share(one: Any, same: Any) -> None:
    assert of(one) == of(same)


def recursive() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "value",
    [
        *(object(), Path("file"), len, Point, np.array([object()]), np.random.default_rng(1)),
        *([Path("file")], {"a": iter(())}, Point(1.0, open)),
        *(Model(x=1, seed=None), {"seed": None}, [{"rng": None}], {"a": {"random_state": None}}),
    ],
)
def test_what_may_differ_each_time_has_no_form(value: Any) -> None:
    with pytest.raises(NotReusableError):
        of(value)


def test_what_contains_itself_is_no_endless_loop() -> None:
    with pytest.raises(RecursionError):
        of(recursive())
