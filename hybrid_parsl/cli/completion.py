"""What the shell offers when the user presses Tab."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY

if TYPE_CHECKING:
    from hybrid_parsl.project import Project


def complete_site(incomplete: str) -> list[str]:
    """Return the sites that begin with `incomplete`."""
    from hybrid_parsl.engine.sites import site_names

    project = _project()
    names = site_names(project) if project else {}
    return [name for name in names if name.startswith(incomplete)]


def complete_experiment(incomplete: str) -> list[str]:
    """Return the experiments and TOML files that begin with `incomplete`."""
    project = _project()
    files = [str(path) for path in Path().glob("*.toml")]
    names = [*(project.experiments() if project else ()), *files]
    return [name for name in names if name.startswith(incomplete)]


def complete_run(context: typer.Context, incomplete: str) -> list[str]:
    """Return the runs whose name begins with `incomplete`, in the folder that was named so far."""
    folder = Path(context.params.get("runs_dir") or DEFAULT_RUNS_DIRECTORY)
    names = sorted(path.parent.name for path in folder.glob("*/experiment.toml"))
    return [name for name in ["latest", *names] if name.startswith(incomplete)]


def complete_workflow(incomplete: str) -> list[str]:
    """Return the functions of ``apps/workflows.py`` that begin with `incomplete`."""
    import ast

    project = _project()
    try:
        text = (project.folder / "apps" / "workflows.py").read_text() if project else ""
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return []
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in names if name.startswith(incomplete) and not name.startswith("_")]


def complete_schedule(incomplete: str) -> list[str]:
    """Return the schedules whose name begins with `incomplete`."""
    from hybrid_parsl.schedule.definition import definition_files

    return [name for name in definition_files() if name.startswith(incomplete)]


def _project() -> Project | None:
    """Return the project, or None where the command itself will say what is wrong with it."""
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.project import find_project

    try:
        return find_project()
    except ConfigurationError:
        return None
