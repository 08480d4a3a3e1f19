"""Reads an experiment from TOML, with overrides, and explains what is wrong with it."""

from __future__ import annotations

import copy
import difflib
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

_LONGEST_SHOWN = 120


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
        The file cannot be read or is not TOML, or a key or value in it is not valid.
    """
    source = str(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(error.strerror or str(error), source) from error
    except UnicodeDecodeError as error:
        message = f"not UTF-8 at byte {error.start}"
        raise ConfigurationError(message, source, valid="a TOML file in UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"not TOML: {error}", source) from error
    return parse_experiment(table, overrides, source)


def parse_experiment(
    table: dict[str, Any], overrides: Iterable[str] = (), source: str | None = None
) -> Experiment:
    """Make an experiment of the TOML `table`, which `source` names in errors.

    Raises
    ------
    ConfigurationError
        An override cannot be read, or a key or value is not valid.
    """
    table = copy.deepcopy(table)
    overridden = {_assign(table, assignment) for assignment in overrides}
    try:
        return Experiment.model_validate(table)
    except ValidationError as error:
        fault = explain(error, Experiment)
        if fault.key in overridden:
            raise fault.at("--set") from error
        raise (fault.at(source) if source else fault) from error


def _assign(table: dict[str, Any], assignment: str) -> str:
    """Carry out ``key=value`` on `table`; return the key."""
    key, equals, text = assignment.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        message = "an override is KEY=VALUE"
        raise ConfigurationError(
            message, "--set", found=shown(assignment), valid="for example search.starts=64"
        )
    for depth, part in enumerate(parts[:-1], start=1):
        inner: object = table.setdefault(part, {})
        if not isinstance(inner, dict):
            message = "is a value, not a table"
            raise ConfigurationError(
                message, "--set", ".".join(parts[:depth]), found=shown(assignment)
            )
        table = inner
    table[parts[-1]] = _toml_value(text.strip())
    return ".".join(parts)


def _toml_value(text: str) -> Any:
    """Read `text` as a TOML value; a bare word is a string."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text


def explain(error: ValidationError, model: type[BaseModel], table: str = "") -> ConfigurationError:
    """Say what is wrong in our own words: the key, what was found, what is valid.

    Parameters
    ----------
    error
        What pydantic found; its first fault is told, unknown keys before all others,
        since a misspelt key also makes the right one go missing.
    model
        The model that refused.
    table
        The dotted name of the table that the model describes, such as ``problem``.
    """
    faults = error.errors(include_url=False)
    fault = min(faults, key=lambda each: each["type"] != "extra_forbidden")
    location = [str(part) for part in fault["loc"]]
    key = ".".join(([table] if table else []) + location)
    found = shown(fault["input"])
    owner = _model_at(model, location[:-1])
    if fault["type"] == "extra_forbidden":
        names = sorted(owner.model_fields)
        return ConfigurationError(
            "unknown key", None, key, location[-1], ", ".join(names), nearest(location[-1], names)
        )
    if fault["type"] == "missing":
        message = "missing"
        return ConfigurationError(message, None, key, None, _describe(owner, location))
    return ConfigurationError(
        _message(fault), None, key or None, found, _valid(fault), _suggest(fault)
    )


def shown(value: object) -> str:
    """Return `value` as short text for a message."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """Return the word of `valid` that `word` was probably meant to be."""
    matches = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.6)
    return matches[0] if matches else None


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
    text = fault["msg"].removeprefix("Value error, ").replace("input should", "should")
    return text[:1].lower() + text[1:]


def _choices(context: Mapping[str, Any]) -> list[str]:
    """Return the words of a Literal that a fault's context lists."""
    return [word for word in str(context.get("expected", "")).split("'")[1::2] if word]


def _valid(fault: ErrorDetails) -> str | None:
    """Return the valid range or words of a fault, if pydantic knows them."""
    context = fault.get("ctx", {})
    if fault["type"] == "literal_error":
        return ", ".join(_choices(context))
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
