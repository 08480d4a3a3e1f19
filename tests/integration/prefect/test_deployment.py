"""The workflow, deployed to a real server and driven from its command line."""

from __future__ import annotations

import json

import psutil
import pytest
from command import Command

pytestmark = pytest.mark.timeout(1200)  # the first of them starts the server
STAGES = ("search", "quantum", "analysis")


def results(folder):
    return json.loads((folder / "results.json").read_text())


def physics(document):
    return {
        name: {key: value for key, value in document[name].items() if key != "execution"}
        for name in STAGES
    }


def files(folder):
    """Return the files of a run but for Parsl's own and the journals, one a rank with a start."""
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in found if path.parts[0] != "parsl" and path.suffix != ".jsonl"]
    return {*map(str, kept), "events.jsonl"}


def test_a_run_leaves_what_the_command_line_leaves_and_an_artifact(deployed, tmp_path):
    flow_run = deployed.begin("quantum.shots=500")
    command = Command("local", tmp_path / "runs")
    draw = ["search.method=draw", "search.starts=2", "quantum.shots=500"]
    expected = command.document("bell", *(word for each in draw for word in ("--set", each)))
    state = deployed.state(flow_run, "COMPLETED", "FAILED", "CRASHED")
    assert state["type"] == "COMPLETED", state["message"]
    folder = deployed.run_folder(flow_run)
    document = results(folder)
    assert document["run"]["status"] == "completed"
    assert physics(document) == physics(expected)
    (other,) = command.runs.iterdir()
    assert files(folder) - {"prefect.json"} == files(other)
    assert (folder / "report.html").read_text().count("<svg") >= 3
    (artifact,) = deployed.artifacts(flow_run)
    assert artifact["key"] == "hybrid-parsl-bell"
    assert artifact["data"].startswith("# bell: completed")
    assert deployed.task_names(flow_run) == dict.fromkeys(STAGES, "Completed")
    assert deployed.server.ask(f"flow_runs/{flow_run}")["name"] == "bell on local"


def test_a_failing_stage_is_told_and_a_retry_goes_on_in_the_same_folder(deployed, tmp_path):
    go = tmp_path / "go"
    go.write_text("fail")
    waiting = ["problem.kind=failing_problems:Waiting", f"problem.go={go}"]
    flow_run = deployed.begin(*waiting)
    state = deployed.state(flow_run, "COMPLETED", "FAILED", "CRASHED")
    assert state["type"] == "FAILED"
    assert "ValueError: told to fail" in state["message"]
    folder = deployed.run_folder(flow_run)
    assert "told to fail" in results(folder)["error"]["message"]
    (artifact,) = deployed.artifacts(flow_run)
    assert "told to fail" in artifact["data"]
    assert deployed.task_names(flow_run)["search"] == "Failed"
    go.write_text("go")
    done = deployed.server.command("flow-run", "retry", flow_run)
    assert done.returncode == 0, done.stdout + done.stderr
    deployed.state(flow_run, "COMPLETED")
    assert deployed.run_folder(flow_run) == folder
    records = [path.read_text() for path in deployed.folder.glob("runs/*/prefect.json")]
    assert sum(flow_run in record for record in records) == 1
    document = results(folder)
    assert document["run"]["status"] == "completed"
    assert len(document["run"]["resumed"]) == 1
    assert not (folder / "tasks" / "search-2").exists()  # the same task, tried again
    assert deployed.artifacts(flow_run)[-1]["data"].startswith("# bell: completed")


def test_a_cancelled_run_leaves_nothing_running(deployed):
    flow_run = deployed.begin("problem.kind=failing_problems:Slow")
    deployed.server.wait(lambda: ranks_of(deployed.run_folder(flow_run)))
    folder = deployed.run_folder(flow_run)
    ranks = ranks_of(folder)
    done = deployed.server.command("flow-run", "cancel", flow_run)
    assert done.returncode == 0, done.stdout + done.stderr
    deployed.state(flow_run, "CANCELLED")
    assert not [rank for rank in ranks if rank.is_running()]
    document = results(folder)
    assert document["run"]["status"] == "interrupted"
    # Prefect tells the whole process group to end: mpirun may do so before it is cancelled
    ended = json.loads((folder / "tasks/search/job.json").read_text())["ended"]
    assert ended in {"CANCELED", "FAILED"}
    assert "interrupted" in (folder / "report.html").read_text()
    (artifact,) = deployed.artifacts(flow_run)
    assert artifact["data"].startswith("# bell: interrupted")
    deployed.server.wait(lambda: deployed.task_names(flow_run).get("search") == "Cancelled")


def ranks_of(folder):
    """Return the processes of a search's ranks once they have found each other."""
    try:
        listed = json.loads((folder / "tasks/search/ranks.json").read_text())
    except (OSError, TypeError, ValueError):
        return []
    return [psutil.Process(rank["pid"]) for rank in listed]


def test_what_is_not_valid_fails_before_a_folder_is_made(deployed):
    before = set(deployed.folder.glob("runs/*"))
    flow_run = deployed.begin("search.startz=1")
    state = deployed.state(flow_run, "COMPLETED", "FAILED", "CRASHED")
    assert state["type"] == "FAILED"
    assert "did you mean 'starts'?" in state["message"]
    assert set(deployed.folder.glob("runs/*")) == before


def test_the_same_workflow_is_deployed_to_a_kubernetes_work_pool(deployed):
    for arguments in (
        ["work-pool", "create", "--type", "kubernetes", "hybrid-parsl-kubernetes"],
        ["deploy", "--name", "kubernetes"],
    ):
        done = deployed.server.command(*arguments, folder=deployed.folder)
        assert done.returncode == 0, done.stdout + done.stderr
    found = deployed.server.ask("deployments/name/hybrid-workflow/kubernetes")
    assert found["entrypoint"] == "hybrid_parsl.prefect:hybrid_workflow"
    assert found["work_pool_name"] == "hybrid-parsl-kubernetes"
    assert found["job_variables"]["image"] == "hybrid-parsl:latest"
    assert found["parameters"]["runs_dir"] == "/runs"
    step = "prefect.deployments.steps.set_working_directory"
    assert found["pull_steps"] == [{step: {"directory": "/"}}]


def test_a_study_has_a_task_for_each_task_of_its_points(deployed):
    flow_run = deployed.begin("sweep.quantum.shots=[50,60]")
    state = deployed.state(flow_run, "COMPLETED", "FAILED", "CRASHED")
    assert state["type"] == "COMPLETED", state["message"]
    names = ("0.search", "0.quantum", "0.analysis", "1.quantum", "1.analysis")
    assert deployed.task_names(flow_run) == dict.fromkeys(names, "Completed")
    (artifact,) = deployed.artifacts(flow_run)
    assert "| 1 | 60 | completed |" in artifact["data"]
    assert (deployed.run_folder(flow_run) / "study.html").exists()
