"""Reads an experiment from TOML, with overrides, and explains what is wrong with it."""

from __future__ import annotations

import copy
import math
import tomllib
from datetime import date, time
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Experiment
from hybrid_parsl.messages import nearest, printable, shown
from hybrid_parsl.sweep import KEY as SWEEP
from hybrid_parsl.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_DEEPEST = 32
_UNKNOWN = "unknown key"
_PATTERN = "string_pattern_mismatch"
_INTEGERS = range(-(2**63), 2**63)


def read_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read the experiment file at `path`.

    Parameters
    ----------
    path
        A TOML file.
    overrides
        Assignments such as ``"search.starts=64"`` that replace or add keys.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or is not TOML, or a key or value in it is not valid.
    """
    return parse_experiment(read_table(path), overrides, str(path))


def read_table(path: Path) -> dict[str, Any]:
    """Read the TOML file at `path`, whatever it holds.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or is not TOML.
    """
    source = str(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(error.strerror or str(error), source) from error
    except UnicodeDecodeError as error:
        message = f"not UTF-8 at byte {error.start}"
        raise ConfigurationError(message, source, valid="a TOML file in UTF-8") from error
    except RecursionError as error:
        raise _too_deep(source) from error
    except ValueError as error:  # no TOML, or a number of thousands of digits
        raise ConfigurationError(f"not TOML: {error}", source) from error


def sweep_of(
    table: dict[str, Any], overrides: Sequence[str] = (), source: str | None = None
) -> Sweep | None:
    """Return the sweep of an experiment, whose other tables may not be valid; None without one.

    Parameters
    ----------
    table, overrides, source
        As for `parse_experiment`.

    Raises
    ------
    ConfigurationError
        If an override cannot be read, or the table ``[sweep]`` is not valid.
    """
    changed = with_values(table, overrides, source)
    if SWEEP not in changed:
        return None
    try:
        return Sweep.model_validate(changed[SWEEP])
    except (ValidationError, ConfigurationError) as error:
        fault = explain(error, Sweep, SWEEP) if isinstance(error, ValidationError) else error
        place = origin(fault.key, overrides, source)
        raise (fault.at(place) if place else fault) from error


def with_values(
    table: dict[str, Any], assignments: Sequence[str], source: str | None = None
) -> dict[str, Any]:
    """Return a copy of a table with ``key=value`` carried out on it.

    Raises
    ------
    ConfigurationError
        If an assignment cannot be read, or the files of a run could not hold a value.
    """
    check_values(table, source)
    table = copy.deepcopy(table)
    for assignment in assignments:
        _assign(table, assignment)
    try:
        check_values(table, None)
    except ConfigurationError as error:
        raise error.at(origin(error.key, assignments, None) or "--set") from error
    return table


def placed(
    table: dict[str, Any], values: Mapping[str, Any], source: str | None = None
) -> dict[str, Any]:
    """Return a copy of a table with other values at some dotted keys.

    Raises
    ------
    ConfigurationError
        If a part of a key but the last one is no table.
    """
    table = copy.deepcopy(table)
    for key, value in values.items():
        _put(table, key.split("."), copy.deepcopy(value), source)
    return table


def parse_experiment(
    table: dict[str, Any], overrides: Sequence[str] = (), source: str | None = None
) -> Experiment:
    """Make an experiment of the TOML `table`, which `source` names in errors.

    Raises
    ------
    ConfigurationError
        If an override cannot be read, or a key or value is not valid.
    """
    return validated(with_values(table, overrides, source), overrides, source)


def validated(
    table: Mapping[str, Any], overrides: Sequence[str] = (), source: str | None = None
) -> Experiment:
    """Make an experiment of a TOML table on which the overrides have been carried out.

    A table of it may also be a model, such as that of another experiment, which is kept as it is.

    Raises
    ------
    ConfigurationError
        If a key or value is not valid.
    """
    try:
        return Experiment.model_validate(table)
    except (ValidationError, ConfigurationError) as error:
        fault = explain(error, Experiment) if isinstance(error, ValidationError) else error
        place = origin(fault.key, overrides, source)
        raise (fault.at(place) if place else fault) from error


def origin(key: str | None, overrides: Iterable[str], source: str | None) -> str | None:
    """Return where a fault at `key` came from: an option if one of `overrides` has a part in it.

    That is ``--sweep`` for a key of the table ``[sweep]``, else ``--set``.
    """
    keys = [f"{assignment.partition('=')[0].strip()}." for assignment in overrides]
    fault = f"{key}."
    if not any(fault.startswith(k) or k.startswith(fault) for k in keys):
        return source
    return "--sweep" if fault.startswith(f"{SWEEP}.") else "--set"


def check_values(table: dict[str, Any], source: str | None) -> None:
    """Refuse what TOML can write down but the files of a run cannot hold.

    Raises
    ------
    ConfigurationError
        If a number has more than 64 bits or is not finite, a value is a date or a time, or tables
        are nested too deeply.
    """
    waiting: list[tuple[tuple[str, ...], Any]] = [((), table)]
    while waiting:
        parts, value = waiting.pop()
        key = ".".join(parts[:_DEEPEST])
        if isinstance(value, dict | list):
            if len(parts) > _DEEPEST:
                raise _too_deep(source, key)
            items = value.items() if isinstance(value, dict) else enumerate(value)
            waiting.extend(((*parts, printable(str(name))), each) for name, each in items)
        elif type(value) is int and value not in _INTEGERS:
            valid = "a whole number of 64 bits"
            raise ConfigurationError("is too large", source, key, shown(value), valid)
        elif type(value) is float and not math.isfinite(value):
            raise ConfigurationError("is not finite", source, key, shown(value), "a finite number")
        elif isinstance(value, date | time):
            valid = "a number, a text, true, false, a list or a table"
            raise ConfigurationError("is a date or a time", source, key, str(value), valid)


def _too_deep(source: str | None, key: str | None = None) -> ConfigurationError:
    """Return the error for tables or lists that are nested too deeply."""
    return ConfigurationError(
        "is nested too deeply", source, key, valid=f"at most {_DEEPEST} levels of tables and lists"
    )


def _assign(table: dict[str, Any], assignment: str) -> None:
    """Carry out ``key=value`` on `table`."""
    key, equals, text = assignment.partition("=")
    parts = key.strip().split(".")
    option = "--sweep" if parts[0] == SWEEP else "--set"
    found = shown(assignment.removeprefix(f"{SWEEP}."))
    try:
        assignment.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError("is no text in UTF-8", option, found=found) from error
    if not equals or not all(parts):
        message, valid = "an override is KEY=VALUE", "for example search.starts=64"
        raise ConfigurationError(message, option, None, found, valid)
    _put(table, parts, _toml_value(text.strip()), option)


def _put(table: dict[str, Any], parts: Sequence[str], value: Any, source: str | None) -> None:
    """Set the value at a path of nested tables, which are made where they are missing.

    Raises
    ------
    ConfigurationError
        If there is a value instead of a table.
    """
    for depth, part in enumerate(parts[:-1], start=1):
        inner: object = table.setdefault(part, {})
        if not isinstance(inner, dict):
            key = ".".join(parts[:depth])
            raise ConfigurationError("is a value, not a table", source, key, shown(inner))
        table = inner
    table[parts[-1]] = value


def _toml_value(text: str) -> Any:
    """Read `text` as a TOML value; a bare word is a string."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text


def explain(error: ValidationError, model: type[BaseModel], table: str = "") -> ConfigurationError:
    """Say what is wrong in our own words: the key, what was found, what is valid.

    Parameters
    ----------
    error
        What pydantic found; its first fault is reported, unknown keys before all others,
        since a misspelt key also makes the right one go missing.
    model
        The model that refused.
    table
        The dotted name of the table that the model describes, such as ``problem``.
    """
    faults = explain_all(error, model, table)
    return next((each for each in faults if each.message == _UNKNOWN), faults[0])


def explain_all(
    error: ValidationError, model: type[BaseModel], table: str = ""
) -> list[ConfigurationError]:
    """Say all that is wrong, with the parameters of `explain`."""
    return [_explain(each, model, table) for each in error.errors(include_url=False)]


def _explain(fault: ErrorDetails, model: type[BaseModel], table: str) -> ConfigurationError:
    """Say what one fault is."""
    location = [printable(str(part)) for part in fault["loc"]]
    key = ".".join(([table] if table else []) + location)
    found = shown(fault["input"])
    owner = _model_at(model, location[:-1])
    if fault["type"] == "extra_forbidden":
        names = sorted(owner.model_fields)
        valid = ", ".join(names) or "no keys"
        return ConfigurationError(
            _UNKNOWN, None, key, location[-1], valid, nearest(location[-1], names)
        )
    if fault["type"] == "missing":
        message = "missing"
        return ConfigurationError(message, None, key, None, _describe(owner, location))
    field = owner.model_fields.get(location[-1]) if location else None
    rule = _valid(fault, _limits(field))
    if fault["type"] == _PATTERN and field is not None:
        rule = field.description or rule
    return ConfigurationError(_message(fault), None, key or None, found, rule, _suggest(fault))


def _model_at(model: type[BaseModel], location: list[str]) -> type[BaseModel]:
    """Return the model of the table at `location` inside `model`."""
    for part in location:
        field = model.model_fields.get(part)
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return model


def _describe(owner: type[BaseModel], location: list[str]) -> str | None:
    """Return what the missing key at `location` would hold."""
    field = owner.model_fields.get(location[-1])
    return None if field is None else f"a key that has to be there: {location[-1]} = ..."


def _message(fault: ErrorDetails) -> str:
    """Return the sentence of a fault, without pydantic's prefix."""
    if fault["type"] in ("model_type", "dict_type"):
        return "should be a table"
    if fault["type"] == _PATTERN:
        return "is written in another way"
    text = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:]


def _choices(context: Mapping[str, Any]) -> list[str]:
    """Return the words of a Literal that a fault's context lists."""
    return [word for word in str(context.get("expected", "")).split("'")[1::2] if word]


def _limits(field: FieldInfo | None) -> dict[str, Any]:
    """Return the limits of a number's key, by ``ge``, ``gt``, ``le`` and ``lt``."""
    if field is None:
        return {}
    inner = (extra for each in get_args(field.annotation) for extra in get_args(each)[1:])
    rules = [*field.metadata, *(rule for each in inner for rule in getattr(each, "metadata", ()))]
    names = ("ge", "gt", "le", "lt")
    return {name: getattr(rule, name) for rule in rules for name in names if hasattr(rule, name)}


def _valid(fault: ErrorDetails, limits: Mapping[str, Any]) -> str | None:
    """Return the valid range or words of a fault, if pydantic knows them."""
    context = dict(fault.get("ctx", {}))
    if fault["type"] == "literal_error":
        return ", ".join(_choices(context)) or str(context.get("expected"))
    if context.keys() & limits.keys():
        context |= limits
    if "ge" in context and "le" in context:
        return f"{context['ge']} to {context['le']}"
    signs = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    parts = [f"{sign} {context[name]}" for name, sign in signs.items() if name in context]
    if "pattern" in context:
        parts.append(f"text like {context['pattern']}")
    return ", ".join(parts) or None


def _suggest(fault: ErrorDetails) -> str | None:
    """Return the nearest valid word for a word that is not valid."""
    if fault["type"] != "literal_error" or not isinstance(fault["input"], str):
        return None
    return nearest(fault["input"], _choices(fault.get("ctx", {})))
