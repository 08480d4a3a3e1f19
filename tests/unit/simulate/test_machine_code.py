"""Kernels as functions of C."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from hybrid_parsl.simulate.compiling import compiled, object_file
from hybrid_parsl.simulate.entry_points import address_of
from hybrid_parsl.simulate.machine_code import NativeFunction


@compiled
def add_up(numbers: Any, count: int) -> float:
    if count < 0:
        raise ValueError
    total = 0.0
    for k in range(count):
        total += numbers[k]
        numbers[k] = 0.0
    return total


@pytest.fixture(scope="module")
def function() -> NativeFunction:
    symbol, code = object_file(add_up, [("float64", True), ("int64", False)], "float64")
    return NativeFunction(symbol, code, [ctypes.c_void_p, ctypes.c_int64])


def test_a_function_reads_and_writes_arrays(function: NativeFunction) -> None:
    numbers = np.array([1.0, 2.0, 4.0, 8.0])
    assert function(address_of(numbers[1:]), 2) == 6.0
    assert numbers.tolist() == [1.0, 0.0, 0.0, 8.0]


def test_a_failure_is_an_error(function: NativeFunction) -> None:
    with pytest.raises(RuntimeError):
        function(0, -1)
