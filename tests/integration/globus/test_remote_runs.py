"""Whole runs on an unmodified endpoint, from the command line."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import psutil
import pytest
from command import Command
from waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.timeout(1200)

SMALL = [
    "--set=problem.nodes=6",
    "--set=search.starts=4",
    "--set=resources.num_ranks=2",
    "--set=analysis.landscape=8",
]
SLOW = ["bell", "--set", "problem.kind=failing_problems:Slow"]


def processes_of(services, run):
    """Return the processes that belong to a run on the endpoint, by what they were called with."""
    found = []
    for process in services.inhabitants():
        try:
            if run in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_there_finds_what_a_run_here_finds(endpoint, tmp_path):
    before = len(endpoint.services.events("submit"))
    client = endpoint.run(tmp_path / "there", "maxcut", *SMALL)
    assert client.returncode == 0, client.stderr
    assert "best energy" in client.stdout
    assert ": waiting-for-ep (" in client.stderr
    (folder,) = (tmp_path / "there").iterdir()
    record = json.loads((folder / "remote.json").read_text())
    (submit,) = endpoint.services.events("submit")[before:]
    assert submit["tasks"] == {record["function"]: [record["submissions"][0]["task"]]}
    assert submit["group"] == record["submissions"][0]["task_group"]
    assert submit["endpoint"] == record["endpoint"] == endpoint.id

    manifest = record["manifest"]
    worker = psutil.Process(manifest["pid"])
    assert "process_worker_pool" in " ".join(worker.parent().cmdline())
    assert Path(worker.cwd()) != endpoint.services.root  # where the client was
    run_there = Path(manifest["run_directory"])
    assert run_there.is_relative_to(endpoint.there)
    assert (run_there / "results.json").read_bytes() == (folder / "results.json").read_bytes()
    assert (folder / "report.html").read_text().startswith("<!")
    ranks = json.loads((run_there / "tasks" / "search" / "ranks.json").read_text())
    assert len(ranks) == 2

    here = Command("local", tmp_path / "here").document("maxcut", *SMALL)
    there = json.loads((folder / "results.json").read_text())
    for stage, names in {
        "search": ("energy", "parameters", "energies"),
        "quantum": ("counts", "energy"),
        "analysis": ("energy", "standard_error", "ratio"),
    }.items():
        assert [there[stage][name] for name in names] == [here[stage][name] for name in names]

    command = ["show", "latest", "--runs-dir", str(tmp_path / "there"), "--json"]
    shown = endpoint.services.hybrid_parsl(*command)
    assert json.loads(shown.stdout) == there


def test_detach_then_attach_from_another_process(endpoint, tmp_path):
    ids = endpoint.detached(tmp_path, "bell")
    record = json.loads((Path(ids["folder"]) / "remote.json").read_text())
    assert record["submissions"] == [{key: ids[key] for key in ("time", "task_group", "task")}]
    assert record["manifest"] is None
    runs = ["--runs-dir", str(tmp_path)]
    done = endpoint.services.hybrid_parsl("remote", "attach", ids["run"], *runs, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"]["status"] == "completed"
    told = endpoint.services.hybrid_parsl("remote", "status", *runs, "--json")
    assert json.loads(told.stdout)["finished"] is True

    fetched = endpoint.services.hybrid_parsl("remote", "fetch", *runs, "--json")
    files = json.loads(fetched.stdout)
    assert sorted(files["here"]) == ["report.html", "results.json"]
    for each in files["there"]:
        assert len(each["sha256"]) == 64
        assert Path(each["path"]).stat().st_size == each["bytes"]


def test_what_a_run_has_left_so_far(endpoint, tmp_path):
    ids = endpoint.detached(tmp_path, *SLOW)
    there = endpoint.there / ids["run"]
    (begun,) = wait_until(lambda: list(there.glob("*/tasks/search/ranks.json")), 400)
    runs = ["--runs-dir", str(tmp_path)]
    done = endpoint.services.hybrid_parsl("remote", "fetch", *runs, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "running"
    assert told["run_directory"] == str(begun.parents[2])
    assert told["here"] == ["results.json"]
    state = endpoint.services.hybrid_parsl("remote", "status", *runs, "--json")
    assert json.loads(state.stdout)["state"] == "waiting-for-ep"
    assert "works on it" in json.loads(state.stdout)["meaning"]
    started = processes_of(endpoint.services, ids["run"])
    (driver,) = (each for each in started if "run" in each.cmdline())
    driver.kill()
    psutil.wait_procs(started, timeout=PATIENCE_S)
    done = endpoint.services.hybrid_parsl("remote", "fetch", *runs)
    assert done.stdout.startswith(f"left; folder {begun.parents[2]} on the endpoint"), done.stderr
    assert f"hybrid-parsl remote resume {ids['run']}" in done.stdout
    state = endpoint.services.hybrid_parsl("remote", "status", *runs)
    assert "success" in state.stdout
    assert "whether the run succeeded, remote attach says" in state.stdout


def test_a_result_that_the_service_has_dropped_is_on_the_endpoint(endpoint, tmp_path):
    ids = endpoint.detached(tmp_path, "bell")

    def is_there():
        return [e for e in endpoint.services.events("result") if e["task"] == ids["task"]]

    wait_until(is_there, 400)
    endpoint.services.drop_result(ids["task"])
    attach = ["remote", "attach", "--runs-dir", str(tmp_path), "--json"]
    done = endpoint.services.hybrid_parsl(*attach)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"]["status"] == "completed"


def test_a_failing_run_there_fails_here(endpoint, tmp_path):
    raising = ["bell", "--set", "problem.kind=failing_problems:Raising"]
    done = endpoint.run(tmp_path, *raising)
    assert done.returncode == 4
    assert "ValueError: no such observable" in done.stderr
    assert "exit code 4" in done.stderr
    assert "hybrid-parsl remote resume" in done.stderr
    (folder,) = tmp_path.iterdir()
    results = json.loads((folder / "results.json").read_text())
    assert results["error"]["type"] == "RankFailedError"


def test_a_site_that_the_endpoint_does_not_have(endpoint, tmp_path):
    done = endpoint.run(tmp_path, "bell", "--site", "nowhere")
    assert done.returncode == 2
    assert "the endpoint on" in done.stderr
    assert "no such site" in done.stderr


def test_a_worker_that_is_killed_leaves_no_process(endpoint, tmp_path):
    ids = endpoint.detached(tmp_path, *SLOW)

    def ranks():
        found = [
            p
            for p in processes_of(endpoint.services, ids["run"])
            if "hybrid_parsl.mpi" in p.cmdline()
        ]
        return found if len(found) >= 2 else None

    wait_until(ranks, 400)
    started = processes_of(endpoint.services, ids["run"])
    (driver,) = (each for each in started if "run" in each.cmdline())
    driver.parent().send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(started, timeout=PATIENCE_S)
    assert not alive
    assert not processes_of(endpoint.services, ids["run"])
    runs = ["--runs-dir", str(tmp_path)]
    done = endpoint.services.hybrid_parsl("remote", "attach", *runs, "--timeout", "2m")
    assert done.returncode == 4
    assert "the worker died" in done.stderr
    told = endpoint.services.hybrid_parsl("remote", "status", *runs)
    assert "failed: the worker died" in told.stdout


def test_an_endpoint_that_stops_loses_the_task_and_the_run_goes_on(endpoint, tmp_path):
    long = ["bell", "--set", "search.starts=400000", "--set", "search.iterations=1"]
    ids = endpoint.detached(tmp_path, *long)
    there = endpoint.there / ids["run"]
    wait_until(lambda: list(there.glob("*/tasks/search/ranks.json")), 400)
    endpoint.stop()
    wait_until(lambda: not processes_of(endpoint.services, ids["run"]), 400)
    runs = ["--runs-dir", str(tmp_path)]
    done = endpoint.services.hybrid_parsl("remote", "attach", *runs, "--timeout", "1s")
    assert done.returncode == 4
    assert "has given no result in 1 s" in done.stderr
    assert f"hybrid-parsl remote attach {ids['run']}" in done.stderr
    offline = endpoint.run(tmp_path / "offline", "bell", "--timeout", "1m")
    assert offline.returncode == 3
    assert "is offline" in offline.stderr
    assert not (tmp_path / "offline").exists()
    elsewhere = ["--runs-dir", str(tmp_path / "offline")]
    site = ["run", "bell", "--site", "globus", "--site-set", f"endpoint={endpoint.id}", *elsewhere]
    for command in (["remote", "fetch", *runs], site):
        done = endpoint.services.hybrid_parsl(*command)
        assert done.returncode == 3, done.stderr
        assert "is offline" in done.stderr

    endpoint.start()
    (folder,) = there.glob("*/experiment.toml")
    text = folder.read_text()
    folder.write_text(text.replace("starts = 400000", "starts = 2"))  # there is no time for more
    done = endpoint.services.hybrid_parsl("remote", "resume", *runs, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["run"]["resumed"]
    assert document["run"]["folder"] == str(folder.parent)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_waits_can_be_interrupted(endpoint, tmp_path, number):
    ids = endpoint.detached(tmp_path, "bell", "--set", "problem.kind=failing_problems:Slow")
    command = ["remote", "attach", "--runs-dir", str(tmp_path)]
    waiting = endpoint.services.popen("python", "-m", "hybrid_parsl", *command)
    assert ids["run"] in waiting.stdout.readline()
    time.sleep(1)
    waiting.send_signal(number)
    _, stderr = waiting.communicate(timeout=PATIENCE_S)
    assert waiting.returncode == 128 + number
    assert f"hybrid-parsl remote attach {ids['run']}" in stderr
    for process in processes_of(endpoint.services, ids["run"]):
        process.terminate()
