"""``hybrid-parsl init``: a project folder to start from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from hybrid_parsl.cli.output import say

_EXAMPLE = Path(__file__).parent.parent / "new_project"


def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.", metavar="DIR")],
) -> None:
    """Make a project with an example workflow of its own."""
    from hybrid_parsl.errors import ConfigurationError, StorageError
    from hybrid_parsl.project import template_folder

    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigurationError(
                "is not empty", None, "DIR", str(folder), "a new or an empty folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        for name in ("apps", "site_configs", "experiments"):
            shutil.copytree(template_folder() / name, folder / name, ignore=ignored)
        shutil.copytree(_EXAMPLE, folder, ignore=ignored, dirs_exist_ok=True)
    except OSError as error:
        raise StorageError(str(folder), error.strerror or str(error)) from error
    say(f"made {folder}: its workflows are in {folder / 'apps' / 'workflows.py'}")
    say(f"  cd {folder}")
    say("  hybrid-parsl workflows")
    say("  hybrid-parsl run depths")
