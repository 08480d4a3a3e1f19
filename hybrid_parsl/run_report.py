"""The page of a run, made from what is in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybrid_parsl.records.run_directory import REPORT
from hybrid_parsl.report.page import render_page
from hybrid_parsl.study_points import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.records.run_directory import RunDirectory

STUDY_CSV, STUDY_PARQUET, STUDY_PAGE = "study.csv", "study.parquet", "study.html"


def page_of(document: dict[str, Any]) -> str:
    """Return the name of the page of a run."""
    return STUDY_PAGE if document.get(TABLE) else REPORT


def write_report(directory: RunDirectory, document: dict[str, Any]) -> Path:
    """Write the page of a run from the results and the figures in its folder; return its path.

    That of a study is ``study.html``, beside ``study.csv`` and, if pyarrow is installed,
    ``study.parquet``; that of any other run is ``report.html``.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    if not document.get(TABLE):
        directory.write(REPORT, render_page(document, directory.read_figures()))
        return directory.path / REPORT
    from hybrid_parsl.report.study_page import render_study
    from hybrid_parsl.report.study_table import study_table, to_csv, to_parquet

    table = study_table(document)
    directory.write(STUDY_CSV, to_csv(table))
    if (parquet := to_parquet(table)) is not None:
        directory.write(STUDY_PARQUET, parquet)
    directory.write(STUDY_PAGE, render_study(document, table))
    return directory.path / STUDY_PAGE
