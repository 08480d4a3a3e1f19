"""The page of a run, made from what is in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybrid_parsl.records.run_directory import REPORT
from hybrid_parsl.report.page import render_page

if TYPE_CHECKING:
    from hybrid_parsl.records.run_directory import RunDirectory


def write_report(directory: RunDirectory, document: dict[str, Any]) -> None:
    """Write ``report.html`` from the results and the figures in `directory`.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    directory.write(REPORT, render_page(document, directory.read_figures()))
