"""What the package writes is what its own models read."""

from __future__ import annotations

import json
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from hybrid_parsl.records.models import Results, check_record
from hybrid_parsl.result_view import type_name
from hybrid_parsl.results import Analysis, Bitstrings, Diagonalization, Sample, SearchResult

SIMPLE = {int: 3, float: 0.25, str: "text", bool: True, Any: 1}


def filled(annotation: Any) -> Any:
    """Return a value of a type, with every optional part of it there."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return annotation(**{name: filled(field.annotation) for name, field in fields})
    if origin in (Union, UnionType):
        return filled(next(each for each in inner if each is not type(None)))
    makers = {
        Literal: lambda: inner[0],
        list: lambda: [filled(inner[0])],
        dict: lambda: {"01": filled(inner[1])},
        tuple: lambda: tuple(filled(each) for each in inner),
    }
    return makers.get(origin, lambda: SIMPLE[annotation])()


@pytest.mark.parametrize("kind", [SearchResult, Sample, Analysis, Bitstrings, Diagonalization])
def test_every_part_of_a_result_is_read_back(kind: type[BaseModel]) -> None:
    result = json.loads(filled(kind).model_dump_json(exclude={"figures"}))
    task = {"name": "x", "status": "completed", "type": type_name(kind), "result": result}
    tables = {SearchResult: "search", Sample: "quantum", Analysis: "analysis"}
    document = {"run": {"status": "completed"}, "tasks": {"x": task}}
    if kind in tables:
        document[tables[kind]] = result
    assert check_record(document, Results, "results.json") == document
