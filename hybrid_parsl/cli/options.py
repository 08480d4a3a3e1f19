"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunsDirectory = Annotated[
    Path, typer.Option("--runs-dir", help="Folder of all runs.", metavar="DIR")
]
RunName = Annotated[
    str, typer.Argument(help="A run: its folder, a part of its name, or latest.", metavar="RUN")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_RUNS_DIRECTORY = Path("runs")
