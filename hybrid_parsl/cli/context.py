"""What every command starts from: the project it works in, and where runs are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybrid_parsl.project import Project

DEFAULT_RUNS_DIRECTORY = Path("runs")


@dataclass(frozen=True)
class Context:
    """The options that every command has.

    Attributes
    ----------
    project_folder
        What ``--project`` said, or the caller of `main`.
    """

    project_folder: str | None

    def project(self) -> Project:
        """Return the project, looked for as `find_project` describes."""
        from hybrid_parsl.project import find_project

        return find_project(Path(self.project_folder) if self.project_folder else None)
