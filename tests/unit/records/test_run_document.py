from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.records.run_directory import RESULTS, RunDirectory
from hybrid_parsl.records.run_document import continued, new_document

if TYPE_CHECKING:
    from pathlib import Path

BEGUN = "2026-01-02T00:00:00.000Z"
BEGUN_S = 1767312000.0


def begun(directory: RunDirectory, **values: Any) -> dict[str, Any]:
    """Return the results of a run that gave its last sign of life 30 s after it had begun."""
    document = new_document(directory, "local", {"name": "bell"}, {}, n_drivers=1)
    document["run"] |= {"started": BEGUN, **values}
    path = directory.write_json(RESULTS, document)
    os.utime(path, (BEGUN_S + 30, BEGUN_S + 30))
    return document


@pytest.mark.parametrize(
    ("values", "spent_s"),
    [
        ({}, 30.0),
        ({"spent_s": 12.5, "drivers": 2}, 42.5),
        ({"duration_s": 20.0, "status": "failed"}, 20.0),
        ({"drivers": 0}, 0.0),
        ({"resumed": ["2026-01-02T00:00:20.000Z"], "drivers": 2, "spent_s": 7.0}, 17.0),
    ],
)
def test_the_time_of_earlier_drivers_counts_until_their_last_sign_of_life(
    tmp_path: Path, values: dict[str, Any], spent_s: float
) -> None:
    directory = RunDirectory(tmp_path)
    run = continued(begun(directory, **values), directory)["run"]
    assert run["spent_s"] == spent_s
    assert run["status"] == "running"
    assert "duration_s" not in run


def test_the_first_driver_of_a_run_that_was_prepared_does_not_resume_it(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    first = continued(begun(directory, drivers=0), directory)
    assert "resumed" not in first["run"]
    assert len(continued(first, directory)["run"]["resumed"]) == 1


def test_only_finished_stages_stay(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    document = begun(directory)
    document["stages"] = [{"status": "completed"}, {"status": "failed"}]
    document["error"] = {"type": "X", "message": "x"}
    found = continued(document, directory)
    assert found["stages"] == [{"status": "completed"}]
    assert "error" not in found
