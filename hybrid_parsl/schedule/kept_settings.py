"""The site settings of a schedule: those in force when it was added, whatever changes later."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.sites import load_site
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.project import find_project

if TYPE_CHECKING:
    from collections.abc import Container

    from hybrid_parsl.engine.sites import Site
    from hybrid_parsl.project import Project
    from hybrid_parsl.schedule.definition import Schedule

_VARIABLE = re.compile(r"\$\{?(\w+)")


def kept_settings(site: Site, variables: Container[str]) -> dict[str, Any]:
    """Return the settings of `site` that are set now, as JSON values.

    Parameters
    ----------
    site
        The site, with what ``--site-set`` was given.
    variables
        Names of variables that are known only when a run starts. A ``--site-set`` that refers to
        one is left out.

    Raises
    ------
    ConfigurationError
        If a setting is missing or invalid.
    """
    late = {
        _key(each)
        for each in site.assignments
        if any(name in variables for name in _VARIABLE.findall(each))
    }
    return {key: value for key, value in _values(site).items() if key not in late}


def scheduled_site(schedule: Schedule, project: Project) -> Site:
    """Return the site of `schedule` with the settings that it keeps.

    Raises
    ------
    ConfigurationError
        If there is no such site, or it is broken.
    """
    if schedule.settings is None:  # written by an earlier version
        return load_site(schedule.site, project, schedule.site_settings)
    late = [each for each in schedule.site_settings if _key(each) not in schedule.settings]
    return replace(load_site(schedule.site, project, late), recorded=schedule.settings)


def changed_settings(schedule: Schedule) -> list[str]:
    """Return what differs from the kept settings if the schedule were added here and now."""
    if schedule.settings is None:
        return []
    try:
        project = find_project(Path(schedule.project) if schedule.project else None)
        now = _values(load_site(schedule.site, project, schedule.site_settings))
    except ConfigurationError as error:
        return [f"the settings of its site cannot be read now: {error.message}"]
    kept = schedule.settings
    keys = [key for key in sorted({*kept, *now}) if kept.get(key) != now.get(key)]
    return [
        f"{key} is {_shown(now.get(key))} now; the schedule keeps {_shown(kept.get(key))}"
        for key in keys
        if key in kept or all(_key(each) != key for each in schedule.site_settings)
    ]


def _values(site: Site) -> dict[str, Any]:
    """Return the settings of `site` that something sets."""
    settings = site.settings()
    if settings is None:
        return {}
    return settings.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def _key(assignment: str) -> str:
    """Return the name of the setting in ``KEY=VALUE``."""
    return assignment.partition("=")[0].strip()


def _shown(value: Any) -> str:
    """Return a setting for a sentence."""
    return "unset" if value is None else repr(value)
