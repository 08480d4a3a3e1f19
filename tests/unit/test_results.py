from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hybrid_parsl.results import (
    Analysis,
    Circuit,
    Execution,
    Landscape,
    Outcome,
    Sample,
    SearchResult,
)

EXECUTION = Execution(duration_s=0.25, n_ranks=3, hosts=["a", "b"])
SEARCH = SearchResult(
    parameters=[0.1, 1 / 3],
    energy=-2.5,
    method="grid",
    best_start=1,
    energies=[0.0, -2.5],
    trace=[0.0, -2.5],
    n_evaluations=9,
    execution=EXECUTION,
)
SAMPLE = Sample(
    counts={"01": 3, "10": 1},
    shots=4,
    energy=-0.5,
    standard_error=0.1,
    backend="aer",
    circuit=Circuit(qasm3="OPENQASM 3.0;", n_qubits=2, depth=1, n_gates=2, sha256="ab"),
    execution=EXECUTION,
)
ANALYSIS = Analysis(
    energy=-0.5,
    standard_error=0.1,
    optimum=None,
    worst=1.0,
    ratio=None,
    best_ratio=0.5,
    probability_of_optimum=None,
    exact_energy=-0.5,
    deviation=0.0,
    top=[Outcome(bitstring="01", count=3, probability=0.75, energy=-1.0)],
    landscape=Landscape(gamma=[0.0, 1.0], beta=[0.0], energy=[[0.5, 0.25]]),
    figures={"search": "<svg/>"},
    execution=EXECUTION,
)
ESTIMATED = SAMPLE.model_copy(update={"counts": {}, "shots": 12, "n_bases": 3})
ALL = [SEARCH, SAMPLE, ESTIMATED, ANALYSIS]


@pytest.mark.parametrize("result", ALL, ids=lambda result: type(result).__name__)
def test_a_result_survives_json_and_pickle(result: SearchResult | Sample | Analysis) -> None:
    text = json.dumps(result.model_dump(mode="json"))
    assert type(result).model_validate(json.loads(text)) == result
    assert type(result).model_validate_json(result.model_dump_json()) == result
    assert pickle.loads(pickle.dumps(result)) == result


@pytest.mark.parametrize("result", ALL, ids=lambda result: type(result).__name__)
def test_a_result_is_frozen_and_knows_its_keys(result: SearchResult | Sample | Analysis) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        result.energy = 0.0
    values = result.model_dump()
    with pytest.raises(ValidationError, match="extra_forbidden"):
        type(result).model_validate({**values, "more": 1})
    required = [key for key, field in type(result).model_fields.items() if field.is_required()]
    for key in required:
        with pytest.raises(ValidationError, match="missing"):
            type(result).model_validate({k: v for k, v in values.items() if k != key})


@given(energies=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_keep_all_their_digits(energies: list[float]) -> None:
    result = SEARCH.model_copy(update={"energies": energies})
    read = json.loads(result.model_dump_json())
    assert read["energies"] == energies


def test_the_expectation_of_a_sample_is_its_energy_unless_it_says_more() -> None:
    assert (SAMPLE.expectation, SAMPLE.n_bases) == (SAMPLE.energy, 1)
    values = {**SAMPLE.model_dump(), "expectation": -0.75}
    assert Sample.model_validate(values).expectation == -0.75
