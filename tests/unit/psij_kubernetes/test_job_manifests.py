"""Quantities follow the grammar of Kubernetes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.psij_kubernetes.job_manifests import format_quantity, parse_quantity


@given(st.integers(0, 10**6), st.sampled_from([("", 1), ("m", 1e-3), ("Ki", 1024), ("G", 1e9)]))
def test_quantities_are_those_of_kubernetes(number, unit):
    assert parse_quantity(f"{number}{unit[0]}") == pytest.approx(number * unit[1])


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1e9", 1e9), ("2E3", 2e3), ("1E", 1e18), ("1Ei", 2**60), ("3P", 3e15), ("1Pi", 2**50),
        ("100u", 1e-4), ("5n", 5e-9), (".5", 0.5), ("1.", 1.0), ("+2", 2.0),
    ],
)  # fmt: skip
def test_valid_quantities_are_parsed(text, amount):
    assert parse_quantity(text) == pytest.approx(amount)


@pytest.mark.parametrize("text", ["", "x", "1X", "-", "1ee3", "1 Gi", "1_0", "NaN", "1K"])
def test_an_invalid_quantity_is_nan(text):
    assert math.isnan(parse_quantity(text))


@pytest.mark.parametrize(
    ("number", "text"),
    [(2, "2"), (0.25, "250m"), (0.0001, "1m"), (3 * 2**30, "3Gi"), (2**20, "1Mi")],
)
def test_numbers_are_formatted_as_quantities(number, text):
    assert format_quantity(number) == text
