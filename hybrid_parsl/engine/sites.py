"""Finds a site by name or path and asks it for its Parsl configuration."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.site_settings import (
    SiteSettings,
    read_settings,
    read_tables,
    settings_file,
)
from hybrid_parsl.errors import ConfigurationError, HybridParslError
from hybrid_parsl.messages import nearest
from hybrid_parsl.ownership import check_source
from hybrid_parsl.project import broken_file, load_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import parsl

    from hybrid_parsl.project import Project

_SLIP = 0.8  # of difflib's ratio: one letter of five
ENTRY_POINTS = "hybrid_parsl.sites"


@dataclass(frozen=True)
class SiteRun:
    """The run that a site configures Parsl for.

    Attributes
    ----------
    directory
        The run directory, absolute. The site's jobs and logs have their folders in it; it need
        not be there yet, since a site is loaded before a run begins.
    """

    directory: Path


@dataclass(frozen=True)
class Site:
    """Where a workflow can run.

    Attributes
    ----------
    name
        What ``--site`` was given, or the stem of the file.
    source
        The file or entry point it comes from.
    summary
        The first line of its docstring.
    configure
        The site's ``config``, which is called with the settings too if it declares some.
    settings_model
        The site's ``Settings``, if it declares some.
    assignments
        What the command line sets, as ``key=value``.
    recorded
        The settings that an earlier driver of the run had, None for a new run.
    """

    name: str
    source: str
    summary: str
    configure: Callable[..., parsl.Config]
    settings_model: type[SiteSettings] | None = None
    assignments: tuple[str, ...] = ()
    recorded: Mapping[str, Any] | None = None

    def record(self) -> dict[str, Any]:
        """Return what a later driver needs to load the same site, as JSON.

        Raises
        ------
        ConfigurationError
            If a setting is missing or not valid.
        """
        settings = self.settings()
        values = None if settings is None else settings.model_dump(mode="json")
        return {"name": self.name, "file": self.source, "settings": values}

    def settings(self) -> SiteSettings | None:
        """Return the values of the site's settings, None if it declares none.

        Raises
        ------
        ConfigurationError
            If a value is missing or not valid, or was given to a site without settings.
        """
        if self.settings_model is not None:
            return read_settings(self.settings_model, self.name, self.assignments, self.recorded)
        if self.assignments:
            message = f"the site {self.name} has no settings"
            raise ConfigurationError(message, "--site-set", None, " ".join(self.assignments))
        return None

    def config(self, run: SiteRun) -> parsl.Config:
        """Return the Parsl configuration for `run`.

        Raises
        ------
        ConfigurationError
            If the site's function raised, or its settings are missing or not valid.
        """
        settings = self.settings()
        try:
            return self.configure(run) if settings is None else self.configure(run, settings)
        except HybridParslError:
            raise
        except (Exception, SystemExit) as error:
            raise broken_file(Path(self.source), error) from error


def load_recorded_site(
    record: Mapping[str, Any], project: Project, assignments: Sequence[str] = ()
) -> Site:
    """Return the site that an earlier driver of a run has recorded, with its settings.

    Parameters
    ----------
    record
        What `Site.record` gave.
    project
        Whose sites are known by name, where the file is not there any more.
    assignments
        Settings that are set anew, as ``key=value``.

    Raises
    ------
    ConfigurationError
        If there is no such site any more, or it is broken.
    UntrustedFileError
        If its file is not of the project, and not of a user who can be trusted.
    """
    name, file = str(record.get("name")), str(record.get("file"))
    is_there = os.path.isfile(file)  # noqa: PTH113 - False for a name too long
    if is_there and Path(file) not in project.sites().values():
        check_source(Path(file))
    site = load_site(file if is_there else name, project, assignments)
    return replace(site, recorded=record.get("settings"))


def site_names(project: Project) -> dict[str, str]:
    """Return every known site with where it comes from: the project first, then plug-ins."""
    plugins = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    files = {name: str(path) for name, path in project.sites().items()}
    return dict(sorted({**plugins, **files}.items()))


def check_tables(asked: str, project: Project) -> list[str]:
    """Return a note on each table of the user's file that names no site of the project.

    Parameters
    ----------
    asked
        The site that is about to be used.
    project
        Whose sites are known by name; others may be sites of other projects.

    Raises
    ------
    ConfigurationError
        If the site has no table, and the name of an unknown one differs from its own by a slip.
    """
    path, tables, known = settings_file(), read_tables(), [*site_names(project), asked]
    notes = []
    for table in tables:
        if table in known:
            continue
        if asked not in tables and SequenceMatcher(None, table, asked).ratio() >= _SLIP:
            message = f"is not a site, but nearly the name of {asked}, which has no table"
            valid = f"[{asked}]; or add an empty one if [{table}] is for another project"
            raise ConfigurationError(message, str(path), f"[{table}]", None, valid, asked)
        likely = nearest(table, known)
        notes.append(
            f"{path}: [{table}] is not a site of this project"
            + (f"; did you mean [{likely}]?" if likely else "")
        )
    return notes


def load_site(text: str, project: Project, assignments: Sequence[str] = ()) -> Site:
    """Return the site that `text` names: one of the project's, a path, or a plug-in's.

    Parameters
    ----------
    text
        What ``--site`` was given.
    project
        Whose sites are known by name.
    assignments
        Settings of the site, as ``key=value``.

    Raises
    ------
    ConfigurationError
        If there is no such site, or it is broken.
    """
    files = project.sites()
    path = files.get(text)
    if path is None and (text.endswith(".py") or "/" in text):
        path = Path(text).resolve()
        if not os.path.isfile(path):  # noqa: PTH113 - False for a name too long
            message = "no such file"
            raise ConfigurationError(message, "--site", None, text)
    if path is not None:
        module = load_file(path, f"hybrid_parsl_site_{path.stem}")
        configure = getattr(module, "config", None)
        return _site(path.stem, str(path), module, configure, assignments)
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == text:
            try:
                configure = point.load()
            except (Exception, SystemExit) as error:
                message = f"{type(error).__name__}: {error}"
                raise ConfigurationError(message, f"entry point {point.value}") from error
            return _site(text, point.value, inspect.getmodule(configure), configure, assignments)
    known = site_names(project)
    raise ConfigurationError(
        "no such site",
        "--site",
        None,
        text,
        f"{', '.join(known) or 'none in the project'}, or the path of a site file",
        nearest(text, known),
    )


def _site(name: str, source: str, module: Any, configure: Any, assignments: Sequence[str]) -> Site:
    """Return the site that `module` describes.

    Raises
    ------
    ConfigurationError
        If it has no function ``config``, or its ``Settings`` are none.
    """
    if not callable(configure):
        message = "has no function config(run)"
        raise ConfigurationError(message, source, valid="def config(run) -> parsl.Config")
    model = getattr(module, "Settings", None)
    if model is not None and not (isinstance(model, type) and issubclass(model, SiteSettings)):
        message = "is not a class of settings"
        raise ConfigurationError(
            message, source, "Settings", repr(model), "class Settings(SiteSettings)"
        )
    summary = (inspect.getdoc(module) or "").partition("\n")[0]
    return Site(name, source, summary, configure, model, tuple(assignments))
