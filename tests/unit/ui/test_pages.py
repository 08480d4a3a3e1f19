"""What each address answers."""

from __future__ import annotations

import json
import re
import shutil
from urllib.parse import quote

import pytest
from ui_runs import make_hostile_runs, make_run, results, study

from hybrid_parsl.schedule import overview
from hybrid_parsl.schedule.definition import schedules_folder


def test_the_first_page_lists_the_runs(client, runs):
    make_run(runs, "20260101T000000Z-maxcut-aaaaaa")
    make_run(runs, "20260102T000000Z-bell-bbbbbb", results(-2.5, site="slurm"))
    text = client.get("/").text
    assert text.index("bbbbbb") < text.index("aaaaaa")
    assert "2 runs" in text
    assert "\N{MINUS SIGN}2.5" in text
    assert "1 of 2 runs" in client.get("/?q=slurm").text
    assert "No run fits" in client.get("/?q=nothing").text


def test_an_empty_folder_says_how_to_start(client):
    assert "no run of yours" in client.get("/").text


def test_a_page_that_has_not_changed_is_not_sent_again(client, runs):
    make_run(runs, "1")
    client.get("/")
    for address in ("/", "/runs/1", "/runs/1/figures/search", "/ui.css", "/ui.js"):
        answer = client.get(address)
        tag = answer.headers["etag"]
        again = client.get(address, if_none_match=tag)
        assert (again.status, again.body) == (304, b"")
        policy = "content-security-policy"  # the browser keeps that of the last answer
        assert again.headers.get(policy) == answer.headers.get(policy)


def test_a_run_with_its_graph_times_figures_and_files(client, runs):
    make_run(runs, "1")
    text = client.get("/runs/1").text
    assert text.count('class="node good"') == 3
    assert text.count('<rect class="good"') == 3
    assert 'href="/runs/1/files/tasks/quantum/stdout.log"' in text
    assert "quantum/stderr.log" not in text  # it is empty
    assert 'src="/runs/1/figures/search"' in text
    assert "name = &#34;maxcut&#34;" in text
    assert "numpy" in text
    assert "quantum has printed this" in client.get("/runs/1/files/tasks/quantum/stdout.log").text


def test_a_running_run_shows_its_progress(client, runs):
    document = results(status="running")
    document["tasks"]["quantum"] = {"status": "running", "started": "2026-01-01T00:00:02Z"}
    folder = make_run(runs, "1", document)
    (folder / "tasks" / "quantum" / "progress.txt").write_text("3 of 9 bases\n")
    text = client.get("/runs/1").text
    assert "3 of 9 bases" in text
    assert "hybrid-parsl resume 1" in text  # it has no driver


def test_the_error_of_a_run_comes_first(client, runs):
    error = {"type": "RankFailedError", "message": "rank 3 on host n2:\nout of memory"}
    make_run(runs, "1", {**results(status="failed"), "error": error})
    text = client.get("/runs/1").text
    assert text.index("out of memory") < text.index('id="tasks"')


def test_a_study_with_many_points_has_pages(client, runs):
    make_run(runs, "1", study(250))
    text = client.get("/runs/1?points=3").text
    assert "points 201 to 250 of 250" in text
    assert "tasks 1 to 100 of 250" in text
    assert 'src="/runs/1/measures/search.energy"' in text
    assert client.get("/runs/1/measures/search.energy").body.startswith(b"<svg")
    assert client.get("/runs/1/measures/nothing").status == 404


def test_the_tables_of_a_study_are_among_its_files(client, runs):
    folder = make_run(runs, "1", study(2))
    (folder / "study.csv").write_text("point,a.b\n0,1\n")
    (folder / "study.parquet").write_bytes(b"PAR1\0")
    (folder / "points.json").write_text("{}")
    (folder / "study.html").write_text('<p>In <a href="study.csv">study.csv</a>.</p>')
    text = client.get("/runs/1").text
    assert text.count('href="/runs/1/files/study.csv"') == 2
    assert 'href="/runs/1/files/points.json"' in text
    assert "point,a.b" in client.get("/runs/1/files/study.csv").text
    answer = client.get("/runs/1/files/study.parquet")
    assert answer.body == b"PAR1\0"
    assert answer.headers["content-disposition"] == 'attachment; filename="study.parquet"'
    assert client.get("/runs/1/report").text == "<p>In study.csv.</p>"


def test_figures_and_reports_cannot_do_anything(client, runs):
    links = make_hostile_runs(runs)["links"].name
    for address in (f"/runs/{links}/figures/evil", f"/runs/{links}/report"):
        answer = client.get(address)
        assert answer.status == 200
        policy = answer.headers["content-security-policy"]
        assert "sandbox;" in policy
        assert "script-src" not in policy
        assert "default-src 'none'" in policy


def test_parts_of_a_file(client, runs):
    folder = make_run(runs, "1")
    log = folder / "tasks" / "search" / "stdout.log"
    log.write_text("".join(f"line {number}\n" for number in range(20_000)))
    address = "/runs/1/files/tasks/search/stdout.log"
    text = client.get(address).text
    assert "line 19999" in text
    assert "followed" in text
    before = re.search(r"\?before=(\d+)", text)[1]
    earlier = client.get(f"{address}?before={before}").text
    assert "line 19999" not in earlier
    assert "line 5\n" in client.get(f"{address}?start=0").text
    assert client.get(f"{address}?start=x&before=-1").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/runs/../../etc/passwd",
        "/runs/%2e%2e/files/x.log",
        "/runs/..%2f..%2fetc/files/x.log",
        "/runs/1/files/../../outside.log",
        "/runs/1/files/%2e%2e/%2e%2e/outside.log",
        "/runs/1/files/..%2f..%2foutside.log",
        "/runs/1/files//etc/passwd",
        "/runs/1/files/tasks/search",
        "/runs/1/files/tasks/search/result.frame",
        "/runs/1/files/",
        "/runs/1/figures/..%2Fresults",
        "/runs/1/figures/%00",
        "/runs/1/report",
        "/runs/nothing",
        "/schedules/..%2f..%2fx",
        "/schedules/nothing",
        "/nothing",
    ],
)
def test_nothing_else_is_served(client, runs, path):
    folder = make_run(runs, "1")
    (runs.parent / "outside.log").write_text("secret")
    (folder / "tasks" / "search" / "result.frame").write_text("secret")
    answer = client.get(path)
    assert answer.status == 404
    assert "secret" not in answer.text


def test_damaged_and_hostile_runs_have_a_page(client, runs):
    faults = make_hostile_runs(runs)
    text = client.get("/").text
    assert "<script>alert" not in text
    for fault, folder in faults.items():
        answer = client.get(
            f"/runs/{quote(folder.name.encode('utf-8', 'backslashreplace'), safe='')}"
        )
        assert answer.status == (404 if fault == "no UTF-8" else 200), fault
        assert "<script>alert" not in answer.text, fault
        assert "\u202e" not in answer.text, fault
    for fault in ("truncated", "binary", "wrong types", "deep", "fifo", "large"):
        assert "cannot be shown" in client.get(f"/runs/{faults[fault].name}").text, fault
    name = faults["links"].name
    assert client.get(f"/runs/{name}/files/tasks/search/stdout.log").status == 404
    assert client.get(f"/runs/{name}/files/tasks/outside/passwd").status == 404
    assert client.get(f"/runs/{faults['fifo'].name}/files/results.json").status == 404


def test_a_run_of_others_or_one_that_is_gone_is_refused(client, runs):
    shared, gone = make_run(runs, "shared"), make_run(runs, "gone")
    client.get("/")
    shared.chmod(0o777)
    assert client.get("/runs/shared").status == 403
    shutil.rmtree(gone)
    assert client.get("/runs/gone").status == 404


def test_an_unforeseen_error_is_a_line_on_the_page(client, runs, monkeypatch):
    make_run(runs, "1")
    monkeypatch.setattr("hybrid_parsl.ui.pages.run_context", lambda *_: 1 / 0)
    answer = client.get("/runs/1")
    assert answer.status == 500
    assert "ZeroDivisionError" in answer.text


def test_two_runs_side_by_side(client, runs):
    make_run(runs, "1")
    other = results(-2.5)
    other["experiment"]["search"]["starts"] = 8
    make_run(runs, "2", other)
    for address in ("/compare?a=1&b=2", "/compare?run=1&run=2"):
        text = client.get(address).text
        assert "search.starts" in text
        assert "\N{MINUS SIGN}2.5" in text
        assert text.count("<img") == 2


def test_studies_are_compared_by_the_points_that_differ(client, runs):
    for name, code in (("1", "a = 2"), ("2", "a = 3")):
        content = study(3 if name == "1" else 2)
        if name == "2":
            content["tasks"]["1.search"]["result"] |= {"energy": 7.5, "n_evaluations": 77}
        folder = make_run(runs, name, content)
        (folder / "code").mkdir(mode=0o700)
        (folder / "code" / "mine.py").write_text(code)
    text = client.get("/compare?a=1&b=2").text
    assert "Points in both: 2. Energies in both: 2, of which differ: 1." in text
    assert "Only in the first run: 1" in text
    assert "search.n_evaluations at " in text
    assert "mine.py" in text
    assert text.count("search at ") == 1


def test_what_cannot_be_compared(client, runs):
    make_run(runs, "1")
    assert client.get("/compare?a=1").status == 400
    assert client.get("/compare?a=1&b=nothing").status == 404


def test_schedules_and_their_history(client, runs, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert "You have no schedules" in client.get("/schedules").text
    make_run(runs, "1")
    row = dict.fromkeys(("times", "next", "format", "crontab", "site", "last", "experiment"), "x")
    monkeypatch.setattr(overview, "overview", lambda: [{**row, "name": "nightly", "changed": []}])
    assert 'href="/schedules/nightly"' in client.get("/schedules").text
    schedules_folder().mkdir(parents=True, exist_ok=True)
    attempt = {
        "started": "2026-01-02T02:00:00+00:00",
        "outcome": "completed",
        "duration_s": 3.0,
        "energy": -1.5,
        "run": str(runs / "1"),
        "message": "<script>",
        "by_hand": True,
        "notes": ["the clock was set"],
    }
    monkeypatch.setattr(overview, "history_of", lambda name: {"name": name, "runs": [attempt] * 3})
    monkeypatch.setattr(
        "hybrid_parsl.schedule.definition.definition_files", lambda: {"nightly": runs}
    )
    client.get("/")
    text = client.get("/schedules/nightly").text
    assert 'href="/runs/1"' in text
    assert "by hand" in text
    assert "<script>" not in text.partition("<main")[2]
    assert client.get("/schedules/nightly/trend").body.startswith(b"<svg")


def test_results_are_not_followed_into_other_documents(client, runs):
    """A run that names tasks or figures of elsewhere shows only its own."""
    document = results()
    document["tasks"] = {"../../other": document["tasks"]["search"]}
    make_run(runs, "1", document)
    assert "files/tasks/..%2F..%2Fother" not in client.get("/runs/1").text
    assert json.loads((runs / "1" / "results.json").read_text())
