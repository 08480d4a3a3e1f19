from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from hybrid_parsl.cli.summary import print_summary, summary_rows


def test_the_main_figures(document: dict[str, Any]) -> None:
    assert summary_rows(document) == [
        ("best energy", "-1.2345679"),
        ("sampled", "-1.2 ± 0.012"),
        ("ratio to optimum", "0.9877"),
        ("most frequent", "0110  (12.5% of the shots, energy -1)"),
        ("time", "12.3 s on site local"),
        ("folder", "/runs/20260102T000000Z-bell-aaaaaa"),
    ]


def test_what_is_not_known_is_left_out(document: dict[str, Any]) -> None:
    document["analysis"] |= {"ratio": None, "top": []}
    names = [name for name, _ in summary_rows(document)]
    assert names == ["best energy", "sampled", "time", "folder"]
    del document["analysis"]
    assert [name for name, _ in summary_rows(document)] == ["best energy", "time", "folder"]
    assert summary_rows({}) == [("folder", "")]


def test_an_error_is_told(document: dict[str, Any]) -> None:
    document["error"] = {"type": "ResultError", "message": "lost"}
    assert ("error", "ResultError: lost") in summary_rows(document)


def test_text_in_brackets_is_no_markup(document: dict[str, Any]) -> None:
    document["run"]["folder"] = "/tmp/[red]runs[/red]"
    file = io.StringIO()
    print_summary(document, Console(file=file, width=100))
    assert "/tmp/[red]runs[/red]" in file.getvalue()
    assert "ratio to optimum" in file.getvalue()
