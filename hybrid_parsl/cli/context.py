"""What every command starts from: the project it works in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybrid_parsl.project import Project


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
        from pathlib import Path

        from hybrid_parsl.project import find_project

        return find_project(Path(self.project_folder) if self.project_folder else None)
