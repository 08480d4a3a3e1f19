from __future__ import annotations

import re

import pytest
from prefect_server import PACKAGE
from services import require_module

report = require_module("hybrid_parsl.prefect.report", "prefect", PACKAGE)

DOCUMENT = {
    "run": {"name": "bell", "status": "completed", "site": "local"},
    "search": {
        "energy": -1.5,
        "method": "draw",
        "energies": [-1.5, -1.0],
        "execution": {"n_ranks": 2, "hosts": ["n_1", "n_2"], "duration_s": 1.25},
    },
    "analysis": {
        "energy": -1.4,
        "standard_error": 0.1,
        "optimum": None,
        "ratio": None,
        "top": [{"bitstring": "01", "count": 512, "probability": 0.5, "energy": -1.5}],
    },
}


def tables(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_a_completed_run() -> None:
    text = report.as_markdown(DOCUMENT, "/runs/x/report.html")
    assert text.startswith("# bell: completed\n")
    assert "| Best energy found | " in text
    assert "±" in next(line for line in tables(text) if "\N{MINUS SIGN}1.40" in line)
    assert r"| search | 2 | n\_1, n\_2 | " in text
    assert "| 01 | 512 | 50" in text
    assert "`/runs/x/report.html`" in text
    widths = {line.count("|") - line.count(r"\|") for line in tables(text)}
    assert widths == {4, 5}


def test_a_run_that_failed_at_once_tells_its_error_as_it_is() -> None:
    error = {"type": "RankFailedError", "message": "rank 1 raised\n```\n| x | <b>"}
    text = report.as_markdown({"run": {"name": "x", "status": "failed"}, "error": error}, "r")
    assert "**RankFailedError**\n\n````\nrank 1 raised\n```\n| x | <b>\n````" in text
    assert len(tables(text)) == 1  # the line of the message


@pytest.mark.parametrize("name", ["bell", "TFIM_12 (noisy)", "a--b", "été"])
def test_keys_are_in_the_letters_that_prefect_takes(name) -> None:
    assert re.fullmatch(r"hybrid-parsl(-[a-z0-9]+)+", report.artifact_key(name))


def test_different_names_have_different_keys() -> None:
    assert report.artifact_key("bell") != report.artifact_key("maxcut")
