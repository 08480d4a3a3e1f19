"""A damaged file of a run is an error that names the file and the key, in every command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl import identity

if TYPE_CHECKING:
    from pathlib import Path

NAME = "20260101T000000Z-bell-aaaaaa"
RESULTS: dict[str, Any] = {
    "run": {"status": "failed", "site": "local", "started": "2026-01-01T00:00:00Z"},
    "experiment": {"search": {"starts": 1}},
    "stages": [{"name": "search", "status": "completed", "duration_s": 1.0}],
    "search": {"energy": -1.0, "parameters": [0.1], "execution": {"n_ranks": 1, "hosts": ["a"]}},
    "analysis": {"energy": -1.0, "top": [{"bitstring": "0", "probability": 1.0}]},
    "tasks": {
        "sample-2": {
            "status": "completed",
            "type": "hybrid_parsl.results:Sample",
            "result": {"energy": -1.0},
        },
        "spectrum": {
            "status": "completed",
            "type": "apps.spectrum:Spectrum",
            "result": {"gap": 0.5},
            "view": {"summary": [["gap", "0.5"]], "section": {"rows": [["gap", "0.5"]]}},
        },
    },
}
WRONG = [
    ("run", 1),
    ("run.status", ["failed"]),
    ("run.duration_s", "long"),
    ("stages", {}),
    ("stages.0", None),
    ("stages.0.name", 7),
    ("search.energy", "low"),
    ("search.execution", []),
    ("search.parameters", {"a": 1}),
    ("analysis.top", "0110"),
    ("analysis.top.0.probability", [1]),
    ("error", "boom"),
    ("experiment.search.starts", "one"),
    ("versions", {"numpy": 2}),
    ("tasks.sample-2.result.energy", "low"),
    ("tasks.spectrum.view", "gap"),
    ("tasks.spectrum.view.summary.0", "gap"),
    ("tasks.spectrum.view.section.rows.0", 1),
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / NAME
    folder.mkdir(parents=True)
    (folder / "experiment.toml").write_text('name = "bell"\n[problem]\nkind = "bell"\n')
    (folder / "results.json").write_text(json.dumps(RESULTS))
    return folder


def with_value(document: dict[str, Any], key: str, value: object) -> dict[str, Any]:
    """Return a copy of `document` with another value at `key`."""
    changed = json.loads(json.dumps(document))
    table: Any = changed
    *parts, last = key.split(".")
    for part in parts:
        table = table[int(part)] if part.isdigit() else table.setdefault(part, {})
    if last.isdigit():
        table[int(last)] = value
    else:
        table[last] = value
    return changed


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("words", ["show", "status", "report", "resume", "cancel", "logs -f"])
@pytest.mark.parametrize("text", ["[" * 100_000, '{"run": {"status": NaN}}', "[]", "null", "{}"])
def test_what_is_no_results(command: Any, run: Path, words: str, text: str) -> None:
    (run / "results.json").write_text(text)
    command(*words.split(), code=2)
    assert f"error: {run / 'results.json'}: " in command.err


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(("key", "value"), WRONG)
@pytest.mark.parametrize("words", ["show", "status", "report", "resume"])
def test_a_wrong_type_is_named(command: Any, run: Path, words: str, key: str, value: Any) -> None:
    (run / "results.json").write_text(json.dumps(with_value(RESULTS, key, value)))
    command(words, code=2)
    place = f"{run / 'results.json'}: {key}"
    assert f"error: {place}" in command.err
    assert "damaged: " in command.err
    assert "  found: " in command.err


@pytest.mark.parametrize("words", ["show", "report", "status"])
def test_numbers_that_were_not_finite_are_null_and_shown(
    command: Any, run: Path, words: str
) -> None:
    document = with_value(RESULTS, "search.energy", None)
    document["analysis"] = {"energy": None, "standard_error": None, "ratio": None, "top": [{}]}
    document["error"] = None
    (run / "results.json").write_text(json.dumps(document))
    command(words)


@pytest.mark.parametrize(
    ("file", "value", "fault"),
    [
        ("site.json", [], "should be a table"),
        ("site.json", {"name": "local", "file": 7, "project": "/x"}, "file: damaged"),
        ("site.json", {"name": "local", "file": "/x", "project": None}, "project: damaged"),
        ("site.json", {"name": "l", "file": "/x", "project": "/x", "settings": 1}, "settings"),
        ("versions.json", {"python": "3.11"}, "hybrid-parsl: damaged: missing"),
        ("versions.json", {"hybrid-parsl": 1}, "hybrid-parsl: damaged"),
        ("versions.json", {"hybrid-parsl": "0.1", "numpy": [2]}, "numpy: damaged"),
    ],
)
def test_resume_reads_every_file_through_its_model(
    command: Any, run: Path, file: str, value: Any, fault: str
) -> None:
    site = {"name": "local", "file": "/x", "project": "/x", "settings": None}
    (run / "site.json").write_text(json.dumps(site))
    (run / "versions.json").write_text(json.dumps({"hybrid-parsl": identity.current()}))
    (run / file).write_text(json.dumps(value))
    command("resume", code=2)
    assert f"{run / file}: " in command.err
    assert fault in command.err


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("words", ["status", "attach", "fetch", "resume"])
@pytest.mark.parametrize(
    "value", [[], {}, {"endpoint": 1}, {"endpoint": "a", "function": "b", "request": {"key": 7}}]
)
def test_a_damaged_record_of_a_run_on_an_endpoint(
    command: Any, run: Path, words: str, value: Any
) -> None:
    (run / "remote.json").write_text(json.dumps(value))
    command("remote", words, code=2)
    assert f"error: {run / 'remote.json'}: " in command.err


def test_a_figure_that_cannot_be_read_or_is_no_picture(command: Any, run: Path) -> None:
    (run / "figures").mkdir()
    (run / "figures" / "search.svg").write_bytes(b"\xff\xfe<svg")
    command("report")
    assert "is left out" in (run / "report.html").read_text()
    (run / "figures" / "other.svg").mkdir()
    command("report", code=2)
    assert "other.svg: cannot be read" in command.err
