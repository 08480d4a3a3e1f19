"""A project that is deployed to a process work pool, with a worker."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from prefect_server import PrefectServer

DRAW = ["search.method=draw", "search.starts=2"]


@dataclass(frozen=True)
class Deployed:
    """A deployed project.

    Attributes
    ----------
    server
        Where it is deployed.
    folder
        The project.
    """

    server: PrefectServer
    folder: Path

    def begin(self, *overrides: str) -> str:
        """Begin a run of the bell experiment from the command line; return the flow run's id."""
        asked = json.dumps([*DRAW, *overrides])
        parameters = ["--param", "experiment=bell", "--param", f"overrides={asked}"]
        done = self.server.command("deployment", "run", "hybrid-workflow/process", *parameters)
        assert done.returncode == 0, done.stdout + done.stderr
        (found,) = re.findall(r"UUID: (\S+)", done.stdout)
        return found

    def state(self, flow_run: str, *kinds: str) -> dict[str, Any]:
        """Return the state of a flow run once it is one of `kinds`."""

        def reached() -> dict[str, Any] | None:
            state = self.server.ask(f"flow_runs/{flow_run}")["state"]
            return state if state["type"] in kinds else None

        return self.server.wait(reached)

    def run_folder(self, flow_run: str) -> Path | None:
        """Return the folder of the run that a flow run has begun, None before there is one."""
        for path in self.folder.glob("runs/*/prefect.json"):
            if json.loads(path.read_text())["flow_run_id"] == flow_run:
                return path.parent
        return None

    def artifacts(self, flow_run: str) -> list[dict[str, Any]]:
        """Return the reports of a flow run, the first first; Prefect's own results have no key."""
        chosen = {"flow_run_id": {"any_": [flow_run]}}
        found = self.server.ask("artifacts/filter", artifacts=chosen)
        reports = [artifact for artifact in found if artifact["key"] is not None]
        return sorted(reports, key=lambda artifact: artifact["created"])

    def task_names(self, flow_run: str) -> dict[str, str]:
        """Return the states of a flow run's tasks by their names without what follows a dash."""
        found = self.server.ask("task_runs/filter", flow_runs={"id": {"any_": [flow_run]}})
        return {task["name"].partition("-")[0]: task["state"]["name"] for task in found}


@pytest.fixture(scope="session")
def deployed(prefect_server, tmp_path_factory) -> Deployed:
    """Deploy the project as its user does, and start a worker."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("apps", "site_configs", "experiments"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "prefect.yaml", folder)
    for arguments in (
        ["work-pool", "create", "--type", "process", "hybrid-parsl"],
        ["deploy", "--name", "process"],
    ):
        done = prefect_server.command(*arguments, folder=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    elsewhere = tmp_path_factory.mktemp("worker")
    prefect_server.spawn("worker", "start", "--pool", "hybrid-parsl", folder=elsewhere)
    return Deployed(prefect_server, folder)
