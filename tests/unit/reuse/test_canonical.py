from __future__ import annotations

import enum
import importlib
import sys
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


class Wider(Point):
    __slots__ = ("z",)

    def __init__(self, w: Any, z: Any = 0) -> None:
        super().__init__(1.0)
        self.w, self.z = w, z


@dataclass
class Table(dict[str, int]):
    x: float = 1.0


class Text(bytes):
    pass


class Access(enum.IntFlag, boundary=enum.KEEP):
    READ = 1


class Model(BaseModel):
    x: int
    seed: int | None = 0


class Open(BaseModel, extra="allow"):
    x: int


class Other(BaseModel):
    x: int
    seed: int | None = 0


TAGGED = np.dtype("f8", metadata={"unit": "Hartree"})


def code(text: bytes) -> OwnCode:
    return OwnCode((SourceFile("/folder", "mine.py", text),))


def of(value: Any) -> str:
    return fingerprint(CanonicalForm().of(value))


MODEL = """
from dataclasses import dataclass

@dataclass
class Model:
    n: int
    def energy(self):
        import form_physics
        return form_physics.G
"""
VALUES = [
    *(None, True, 1, 1.0, "1", b"1", 1j, [1], (1,), {1}, frozenset({1}), {"1": 1}, {1: 1}),
    *([1, 2], [2, 1], [[1], 2], {"a": 1, "b": 2}, {"b": 2, "a": 1}, float("nan"), float("inf")),
    *(Colour.RED, Colour.BLUE, Point(1.0), Point(1.0, 2), Model(x=1), Model(x=2), Other(x=1)),
    *(np.float64(1), np.float32(1), np.int64(1), np.array([1.0]), np.array([[1.0]])),
    *(np.array([1, 2]), np.array([2, 1]), np.array([1, 2], ">i8"), code(b"a = 1"), code(b"a = 2")),
    *(np.ones((2, 2)), np.ones((2, 2), order="F"), np.zeros(2, "V2"), np.zeros(2, "i1,i1")),
    *(
        Wider(1),
        Wider(2),
        Wider(1, 2),
        Access.READ,
        Access(8),
        Access(16),
        Open(x=1),
        Open(x=1, y=1),
    ),
]


def test_different_values_differ() -> None:
    assert len(set(map(of, VALUES))) == len(VALUES)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"b", "a", "c"}, {"c", "a", "b"}),
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2).copy().reshape(2, 3)),
        (np.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T.copy(order="K")),
        (np.arange(6)[::2], np.arange(6)[::2].copy()),
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
        *(Text(b"1"), Table(), np.zeros(1, TAGGED), np.zeros(1, [("a", TAGGED)])),
        *([Path("file")], {"a": iter(())}, Point(1.0, open)),
        *(Model(x=1, seed=None), {"seed": None}, [{"rng": None}], {"a": {"random_state": None}}),
    ],
)
def test_what_may_differ_each_time_has_no_form(value: Any) -> None:
    with pytest.raises(NotReusableError):
        of(value)


def test_an_array_in_a_file_has_no_form(tmp_path: Path) -> None:
    with pytest.raises(NotReusableError):
        of(np.memmap(tmp_path / "array", shape=1, mode="w+"))


def test_a_class_is_another_one_if_what_its_methods_import_is_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "form_model.py").write_text(MODEL)
    forms = set()
    for text in ("G = 1", "G = 2"):
        (tmp_path / "form_physics.py").write_text(text)
        monkeypatch.delitem(sys.modules, "form_model", raising=False)
        forms.add(of(importlib.import_module("form_model").Model(1)))
    assert len(forms) == 2


def test_what_contains_itself_is_no_endless_loop() -> None:
    with pytest.raises(RecursionError):
        of(recursive())
