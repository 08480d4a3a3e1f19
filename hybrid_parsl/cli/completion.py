"""What the shell offers when the user presses Tab."""

from __future__ import annotations

from pathlib import Path


def complete_site(incomplete: str) -> list[str]:
    """Return the sites that begin with `incomplete`."""
    from hybrid_parsl.engine.sites import site_names
    from hybrid_parsl.project import find_project

    return [name for name in site_names(find_project()) if name.startswith(incomplete)]


def complete_experiment(incomplete: str) -> list[str]:
    """Return the experiments and TOML files that begin with `incomplete`."""
    from hybrid_parsl.project import find_project

    files = [str(path) for path in Path().glob("*.toml")]
    names = [*find_project().experiments(), *files]
    return [name for name in names if name.startswith(incomplete)]


def complete_run(incomplete: str) -> list[str]:
    """Return the runs whose name begins with `incomplete`."""
    names = sorted(path.parent.name for path in Path("runs").glob("*/experiment.toml"))
    return [name for name in ["latest", *names] if name.startswith(incomplete)]
