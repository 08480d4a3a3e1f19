from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hybrid_parsl import run_report

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_page_is_made_anew_from_the_files(
    command: Any, tmp_path: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs" / "1-bell"
    (folder / "figures").mkdir(parents=True)
    (folder / "experiment.toml").touch()
    (folder / "figures" / "search.svg").write_text("<svg>ü</svg>")
    (folder / "results.json").write_text(json.dumps(document))
    asked = []

    def render(*arguments: Any) -> str:
        asked.append(arguments)
        return "page"

    monkeypatch.setattr(run_report, "render_page", render)
    assert command("report", "bell") == f"{folder / 'report.html'}\n"
    assert asked == [(document, {"search": "<svg>ü</svg>"})]
    assert (folder / "report.html").read_text() == "page"


def test_the_page_of_a_run_on_an_endpoint_is_left_as_it_came(command: Any, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "1-bell"
    folder.mkdir(parents=True)
    for name in ("experiment.toml", "remote.json"):
        (folder / name).touch()
    (folder / "report.html").write_text("with figures")
    assert command("report", "bell") == f"{folder / 'report.html'}\n"
    assert (folder / "report.html").read_text() == "with figures"


def test_a_run_that_is_not_there(command: Any) -> None:
    command("report", code=2)
    assert "no such run" in command.err
