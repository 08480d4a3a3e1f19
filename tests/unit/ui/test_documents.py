"""The documents that pages are made from."""

from __future__ import annotations

import json

import pytest
from ui_runs import make_run, results, study

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.ui import documents as module
from hybrid_parsl.ui.documents import Documents


def test_a_document_is_read_again_when_it_has_changed(runs):
    folder, documents = make_run(runs, "1"), Documents()
    first = documents.read(RunDirectory(folder))
    assert documents.read(RunDirectory(folder)) is first
    (folder / "results.json").write_text(json.dumps(results(status="failed")))
    assert documents.read(RunDirectory(folder)).content["run"]["status"] == "failed"


def test_few_documents_are_kept(runs):
    documents = Documents()
    for number in range(12):
        documents.read(RunDirectory(make_run(runs, str(number))))
    assert len(documents._kept) == 8


def test_a_large_document_is_not_read(runs, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_RESULTS", 100)
    with pytest.raises(ConfigurationError, match="reads at most 100"):
        Documents().read(RunDirectory(make_run(runs, "1")))


def test_the_figures_of_a_study_are_drawn_once(runs, monkeypatch):
    from hybrid_parsl.report import study_figure

    drawn = []
    monkeypatch.setattr(
        study_figure, "draw_measure", lambda *given: drawn.append(given) or "<svg/>"
    )
    document = Documents().read(RunDirectory(make_run(runs, "1", study(3))))
    assert document.study_figure("search.energy") == document.study_figure("search.energy")
    assert len(drawn) == 1
    with pytest.raises(FileNotFoundError):
        document.study_figure("../../etc/passwd")
