"""What a user may set on a site, and from where the values come.

A site file declares ``class Settings(SiteSettings)``. A value comes from the last of these that
has one: the default, the user's file, the environment, the command line.
"""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
)
from pydantic_core import PydanticUndefined

from hybrid_parsl.errors import ConfigurationError, SiteSettingsError
from hybrid_parsl.experiment_file import explain_all
from hybrid_parsl.secret_names import masked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic.fields import FieldInfo

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_RECORD = "site.json"


class SiteSettings(BaseModel):
    """Base of the settings of a site; each field's description is its help text.

    A text is read as what its field asks for. ``$NAME`` in it stands for the environment
    variable, unless the field is a `ShellText`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    @property
    def requested_qpu(self) -> str | None:
        """The QPU that the batch jobs of circuits request; None if they request none."""
        return None


Settings = TypeVar("Settings", bound=SiteSettings)


class _Shell:
    """Marks a text whose variables are for a shell elsewhere."""


ShellText = Annotated[str, _Shell()]
"""Shell commands: their variables are left to the shell that runs them."""


def settings_file() -> Path:
    """Return the user's file, ``$XDG_CONFIG_HOME/hybrid-parsl/sites.toml``."""
    folder = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return Path(folder) / "hybrid-parsl" / "sites.toml"


def read_settings(
    model: type[Settings],
    site: str,
    assignments: Sequence[str] = (),
    recorded: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings of a site.

    Parameters
    ----------
    model
        The site's ``Settings``.
    site
        Its name: the table in the user's file, and a part of environment variables' names.
    assignments
        What ``--site-set`` was given, as ``key=value``.
    recorded
        The settings that an earlier driver of the run had, as JSON: they take the place of the
        user's file and of the environment.

    Raises
    ------
    ConfigurationError
        If a value is missing or not valid, or the user's file cannot be read; where several
        values are, the error lists all of them.
    """
    values, sources, faults = _gather(model, site, assignments, recorded)
    refused = {fault.key for fault in faults}
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        for fault in explain_all(error, model):
            top = (fault.key or "").partition(".")[0]
            if top not in refused:
                faults.append(_at(fault, sources.get(top), site))
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise SiteSettingsError(site, "\n".join(str(fault) for fault in faults))
    return settings


def describe_settings(
    model: type[SiteSettings], site: str, assignments: Sequence[str] = ()
) -> tuple[list[dict[str, str]], ConfigurationError | None]:
    """Return what is set on a site, and why that cannot be used.

    Parameters
    ----------
    model, site, assignments
        As for `read_settings`.

    Returns
    -------
    rows
        Name, value, origin, default and help text of each setting. Secrets are not shown.
    fault
        The first value that is not valid; a setting that is missing is only shown as such.
    """
    values, sources, faults = _gather(model, site, assignments, None)
    try:
        found = model.model_validate(values)
        values = {name: getattr(found, name) for name in values}
    except ValidationError as error:
        wrong = [(each, (each.key or "").partition(".")[0]) for each in explain_all(error, model)]
        faults += [fault.at(sources[key]) for fault, key in wrong if key in values]
    rows = [
        {
            "setting": name,
            "value": _text(masked(values[name], name)) if name in values else _default(field),
            "from": sources.get(name, "" if field.is_required() else "default"),
            "default": _default(field),
            "meaning": field.description or "",
        }
        for name, field in model.model_fields.items()
    ]
    return rows, next(iter(faults), None)


def variable_name(site: str, key: str) -> str:
    """Return the environment variable that sets `key` of `site`."""
    return f"HYBRID_PARSL_{re.sub(r'[^A-Za-z0-9]', '_', site)}_{key}".upper()


def _gather(
    model: type[SiteSettings],
    site: str,
    assignments: Sequence[str],
    recorded: Mapping[str, Any] | None,
) -> tuple[dict[str, Any], dict[str, str], list[ConfigurationError]]:
    """Return the values that are set, where each comes from, and what cannot be read."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    faults: list[ConfigurationError] = []
    earlier = _found(site) if recorded is None else _recorded(recorded)
    for source, key, value in (*earlier, *_assigned(assignments, faults)):
        values[key], sources[key] = value, source
    for key, value in values.items():
        if sources[key] != _RECORD and not _is_shell_text(model.model_fields.get(key)):
            try:
                values[key] = _expand(value)
            except KeyError as error:
                message = f"the environment variable {error.args[0]} is not set"
                faults.append(ConfigurationError(message, sources[key], key, str(value)))
    return values, sources, faults


def _found(site: str) -> Iterable[tuple[str, str, Any]]:
    """Yield source, key and value of what file and environment set, what counts more last."""
    for key, value in read_tables().get(site, {}).items():
        yield f"{settings_file()} [{site}]", key, value
    prefix = variable_name(site, "")
    for name, text in sorted(os.environ.items()):
        if name.startswith(prefix):
            yield f"${name}", name.removeprefix(prefix).lower(), _value(text)


def _recorded(recorded: Mapping[str, Any]) -> Iterable[tuple[str, str, Any]]:
    """Yield source, key and value of what an earlier driver had."""
    for key, value in recorded.items():
        yield _RECORD, key, value


def _assigned(
    assignments: Iterable[str], faults: list[ConfigurationError]
) -> Iterable[tuple[str, str, Any]]:
    """Yield source, key and value of what the command line sets."""
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if equals and key.strip():
            yield "--site-set", key.strip(), _value(text.strip())
        else:
            message, valid = "a setting is KEY=VALUE", "for example account=physics"
            faults.append(ConfigurationError(message, "--site-set", None, assignment, valid))


def read_tables() -> dict[str, dict[str, Any]]:
    """Return the tables of the user's file, none where there is no such file.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, is not TOML, or holds something that stands in no table.
    """
    path = settings_file()
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigurationError(error.strerror or str(error), str(path)) from error
    except (ValueError, RecursionError) as error:
        message = f"not TOML: {error}"
        raise ConfigurationError(message, str(path)) from error
    for key, value in tables.items():
        if not isinstance(value, dict):
            valid = "[SITE], and below it what is set for that site"
            message = "is not in the table of a site"
            raise ConfigurationError(message, str(path), key, repr(value), valid)
    return tables


def _value(text: str) -> Any:
    """Return a TOML list or table if `text` is one, else the text."""
    if text[:1] in ("[", "{"):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            return text
    return text


def _expand(value: Any) -> Any:
    """Return `value` with the variables in its texts replaced.

    Raises
    ------
    KeyError
        If a variable is not set.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: os.environ[match[1] or match[2]], value)
    if isinstance(value, list):
        return [_expand(each) for each in value]
    if isinstance(value, dict):
        return {key: _expand(each) for key, each in value.items()}
    return value


def _is_shell_text(field: FieldInfo | None) -> bool:
    """Return whether a field holds shell commands, or a list of them."""
    return field is not None and (
        any(isinstance(each, _Shell) for each in field.metadata) or _Shell.__name__ in repr(field)
    )


def _at(fault: ConfigurationError, source: str | None, site: str) -> ConfigurationError:
    """Return `fault` with where its value came from, or where it could come from."""
    if source is not None:
        return fault.at(source)
    key = fault.key or "KEY"
    valid = f"--site-set {key}=..., ${variable_name(site, key)}, or {key} in {settings_file()}"
    return ConfigurationError(fault.message, f"site {site}", fault.key, None, valid)


def _default(field: FieldInfo) -> str:
    """Return the default of a field as text."""
    if field.is_required():
        return "(needed)"
    return _text(field.get_default(call_default_factory=True))


def _text(value: Any) -> str:
    """Return a value as it can be set; nothing for what is empty."""
    if isinstance(value, timedelta):
        return re.sub(r" days?, ", "-", str(value))
    return "" if value in (None, PydanticUndefined, "", [], {}) else str(value)
