"""What the files of a run may hold: each file is read through its model.

A file may be that of a run that failed early, or of another version, so most keys may be missing
and there may be others. What is there has the type that its readers count on.
"""

from __future__ import annotations

from datetime import datetime
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Self, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import explain
from hybrid_parsl.result_view import ShownResult, type_name
from hybrid_parsl.results import Analysis, Sample, SearchResult
from hybrid_parsl.strict_json import LARGEST_BYTES, parse_json

if TYPE_CHECKING:
    from pathlib import Path

_LENIENT = ConfigDict(extra="allow", strict=True)


def _lenient(model: type[BaseModel]) -> type[BaseModel]:
    """Return `model` with every key optional, and every number null where it was not finite."""
    fields: dict[str, Any] = {
        name: (_optional(field.annotation) | None, None)
        for name, field in model.model_fields.items()
    }
    return create_model(model.__name__, __config__=_LENIENT, **fields)


def _optional(annotation: Any) -> Any:
    """Return the type of a key of a lenient model."""
    origin: Any
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _lenient(annotation)
    origin, inner = get_origin(annotation), tuple(map(_optional, get_args(annotation)))
    if origin in (list, dict):
        return origin[inner]
    if origin is tuple:  # which is a list in JSON
        return list[Union[inner]]  # type: ignore[valid-type] # noqa: UP007 - known at run time only
    if origin in (Union, UnionType):
        return Union[inner]  # noqa: UP007 - its members are known at run time only
    return float | None if annotation is float else annotation


_OWN_TYPES = {type_name(each): _lenient(each) for each in (SearchResult, Sample, Analysis)}
_OWN_RESULTS = {name: TypeAdapter(dict[str, each]) for name, each in _OWN_TYPES.items()}  # type: ignore[valid-type]


def _time(text: str) -> str:
    """Return `text` if it is a time with its zone, ISO 8601.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if datetime.fromisoformat(text).tzinfo is None:
        message = "must be a time with its zone"
        raise ValueError(message)
    return text


Time = Annotated[str, AfterValidator(_time)]


class _Record(BaseModel):
    """A table of a file of a run."""

    model_config = _LENIENT


class RunTable(_Record):
    """The table ``run`` of ``results.json``."""

    status: str
    id: str | None = None
    name: str | None = None
    site: str | None = None
    folder: str | None = None
    started: Time | None = None
    finished: Time | None = None
    duration_s: float = 0.0
    exit_code: int | None = None
    drivers: int = Field(default=1, ge=0, le=2**31)
    spent_s: float = 0.0
    repeats: str | None = None
    resumed: list[Time] = Field(default=["1970-01-01T00:00:00Z"], min_length=1)


class PointRecord(_Record):
    """One of ``points`` in ``points.json``."""

    values: dict[str, Any]
    tables: dict[str, Any]


class PointsRecord(_Record):
    """The content of ``points.json``."""

    points: list[PointRecord] = Field(min_length=1)


class StudyPoint(_Record):
    """One of the points in the table ``study`` of ``results.json``."""

    name: str
    values: dict[str, Any]
    tasks: dict[str, str] = {}
    error: str | None = None


class StudyTable(_Record):
    """The table ``study`` of ``results.json``."""

    keys: list[str]
    points: list[StudyPoint]


class StageTable(_Record):
    """One of ``stages`` in ``results.json``."""

    name: str
    status: str
    started: str | None = None
    finished: str | None = None
    duration_s: float | None = None
    host: str | list[str] | None = None
    reused_from: str | None = None


class TaskTable(StageTable):
    """One of ``tasks`` in ``results.json``; its name is the key."""

    name: str = ""
    function: str | None = None
    label: str | None = None
    after: list[str] = []
    total: int | None = Field(default=None, ge=0, le=2**31)
    job: str | None = None
    figures: dict[str, str] = {}
    type: str | None = None
    view: ShownResult | None = None

    @model_validator(mode="after")
    def _check_result(self) -> Self:
        """Check the result if it is of a type of this package."""
        own, result = _OWN_RESULTS.get(self.type or ""), (self.model_extra or {}).get("result")
        if own is not None and isinstance(result, dict):
            own.validate_python({"result": result})
        return self


class ErrorTable(_Record):
    """What ended a run, in ``results.json``."""

    type: str
    message: str


class _SearchTable(_Record):
    starts: int = Field(default=0, ge=0, le=2**31)


class ExperimentTable(_Record):
    """The experiment in ``results.json``, as far as it is read from there."""

    search: _SearchTable = _SearchTable()
    problem: dict[str, Any] = {}
    ansatz: dict[str, Any] = {}
    quantum: dict[str, Any] = {}


class Results(_Record):
    """``results.json``."""

    run: RunTable
    experiment: ExperimentTable = ExperimentTable()
    versions: dict[str, str] = {}
    stages: list[StageTable] = []
    tasks: dict[str, TaskTable] = {}
    search: _OWN_TYPES[type_name(SearchResult)] | None = None  # type: ignore[valid-type]
    quantum: _OWN_TYPES[type_name(Sample)] | None = None  # type: ignore[valid-type]
    analysis: _OWN_TYPES[type_name(Analysis)] | None = None  # type: ignore[valid-type]
    study: StudyTable | None = None
    error: ErrorTable | None = None


class _BegunSearch(_Record):
    starts: int = Field(ge=1, le=2**31)


class _BegunExperiment(ExperimentTable):
    search: _BegunSearch  # type: ignore[assignment]


class _BegunRun(RunTable):
    started: Time


class BegunResults(Results):
    """``results.json`` of a run that has begun here, which can be looked after."""

    run: _BegunRun
    experiment: _BegunExperiment
    stages: list[StageTable]


class SiteRecord(_Record):
    """``site.json``: where the run's last driver found its site, its project and own code."""

    name: str
    file: str
    project: str
    code: list[str] = []
    settings: dict[str, Any] | None = None


PROBLEM = "problem"
"""The key of ``versions.json`` that holds the fingerprint of problem and optimiser."""


class Versions(_Record):
    """``versions.json``: versions of packages by name."""

    __pydantic_extra__: dict[str, str]
    hybrid_parsl: str = Field(alias="hybrid-parsl")


def read_record(path: Path, model: type[BaseModel], most: int = LARGEST_BYTES) -> dict[str, Any]:
    """Return the table in the JSON file at `path`, which fits `model`.

    Raises
    ------
    ConfigurationError
        If it cannot be read, is not JSON, or has a missing key or another type of value.
    UntrustedFileError
        If it belongs to another user or can be written by others.
    """
    from hybrid_parsl.ownership import read_own

    try:
        return check_record(parse_json(read_own(path), most), model, str(path))
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", str(path)) from error
    except ValueError as error:
        raise ConfigurationError(f"cannot be read: {error}", str(path), valid=_DAMAGED) from error


_DAMAGED = "the file as hybrid-parsl wrote it: restore it, or begin a new run"


def check_record(
    value: Any, model: type[BaseModel], source: str, valid: str | None = _DAMAGED
) -> dict[str, Any]:
    """Return the table `value`, which fits `model`, as it is.

    Parameters
    ----------
    value
        What was read.
    model
        What it has to be.
    source
        Where it was read, for errors.
    valid
        What would be valid there, where the fault itself does not say.

    Raises
    ------
    ConfigurationError
        If a key is missing or has another type of value.
    """
    try:
        model.model_validate(value)
    except ValidationError as error:
        fault = explain(error, model)
        raise ConfigurationError(
            f"damaged: {fault.message}", source, fault.key, fault.found, fault.valid or valid
        ) from error
    table: dict[str, Any] = value
    return table
