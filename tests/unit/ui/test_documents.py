"""The documents that pages are made from."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from ui_runs import make_run, results, study

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.records import models
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


def test_of_large_documents_only_the_last_is_kept(runs, monkeypatch):
    documents = Documents()
    folders = [make_run(runs, str(number)) for number in range(4)]
    size = (folders[0] / "results.json").stat().st_size
    monkeypatch.setattr(module, "_MOST_BYTES", 2 * size)
    for folder in folders:
        documents.read(RunDirectory(folder))
    assert list(documents._kept) == [str(each / "results.json") for each in folders[2:]]
    monkeypatch.setattr(module, "_MOST_BYTES", size - 1)
    last = documents.read(RunDirectory(folders[0]))
    assert list(documents._kept.values()) == [last]


def test_a_document_is_read_once_and_meanwhile_others_are_not_kept_waiting(runs, monkeypatch):
    slow, quick = RunDirectory(make_run(runs, "1")), RunDirectory(make_run(runs, "2"))
    documents, begun, goes_on, read = Documents(), threading.Event(), threading.Event(), []

    def read_record(path, *more):
        read.append(path)
        if path.parent == slow.path:
            begun.set()
            assert goes_on.wait(10)
        return models.read_record(path, *more)

    monkeypatch.setattr(module, "read_record", read_record)
    with ThreadPoolExecutor(3) as pool:
        both = [pool.submit(documents.read, slow) for _ in range(2)]
        assert begun.wait(10)
        assert pool.submit(documents.read, quick).result(5).content["run"]["name"] == "maxcut"
        goes_on.set()
        first, second = (each.result(10) for each in both)
    assert first is second
    assert len(read) == 2
    assert not documents._reading


def test_a_large_document_is_not_read(runs, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_RESULTS", 2**20)
    folder = make_run(runs, "1", b" " * (3 * 2**19))
    with pytest.raises(ConfigurationError, match=r"is larger than what the page reads") as refused:
        Documents().read(RunDirectory(folder))
    assert refused.value.found == "1.5 MiB"
    assert refused.value.valid.startswith("at most 1.0 MiB")
    assert refused.value.valid.endswith(f"hybrid-parsl show {folder}")


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
