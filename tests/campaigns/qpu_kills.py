"""Kill drivers at random moments around the submission of a QPU job, and count the jobs.

A program, not a test: ``python tests/campaigns/qpu_kills.py --kills 30``. It starts the loopback
stand-in of IBM's Quantum service; no account is needed. Each run begins in a folder of its own. Its
drivers are killed by SIGKILL, some of its submissions lose their reply, and another driver resumes
it until it completes. Afterwards the service's list of jobs is compared with the results:

- each run has used exactly one job, the one that its results name;
- no other job of a run waits or runs;
- what the results call used is what the service has charged for all jobs of the run.

The seed is printed first; ``--seed`` repeats a campaign, as far as the machine's timing allows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from command import Command
from quantum_service import DEVICE, SUBMISSION, QuantumService

ASKED = ["bell", "--set", f"quantum.backend={DEVICE}", "--set", "quantum.shots=100"]
PATIENCE_S = 600.0
LATEST_KILL_S = 3.0
MOST_RESUMES = 8
FAULTS = ((0, "after"), (504, "after"), (500, "before"), (429, "before"))


@dataclass
class Campaign:
    """Runs whose drivers are killed, and what came of it.

    Attributes
    ----------
    service
        Runs the jobs.
    chance
        Decides when what happens.
    folder
        Holds the folders of the runs.
    counts
        What happened how often.
    faults
        What must not happen, and did.
    """

    service: QuantumService
    chance: random.Random
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def run(self, n_kills: int) -> None:
        """Kill drivers until `n_kills` were."""
        while self.counts["kills"] < n_kills:
            run = Command("local", self.folder / f"{self.counts['runs']:03d}")
            self.counts["runs"] += 1
            self.service.forget_jobs()
            self.service.wait_in_queue(self.chance.choice([0.0, 1.0, 3.0]))
            if self.chance.random() < 0.5:
                status, when = self.chance.choice(FAULTS)
                times = self.chance.randint(1, 2)
                self.service.fail(SUBMISSION, status, when=when, times=times)
                self.counts[f"requests that fail with {status} {when} acceptance"] += times
            for _ in range(min(self.chance.randint(1, 3), n_kills - self.counts["kills"])):
                self._kill(run)
            self._complete(run)
            self._check(run)

    def _begin(self, run: Command) -> subprocess.Popen[bytes]:
        """Begin the run, or resume it; its output goes to a file beside it."""
        begun = any(run.runs.glob("*/experiment.toml"))
        words = run.command_of_run("resume") if begun else run.arguments(*ASKED)
        run.runs.mkdir(parents=True, exist_ok=True)
        with (run.runs / "output.txt").open("a") as file:
            return subprocess.Popen(words, stdout=file, stderr=file)

    def _kill(self, run: Command) -> None:
        """Kill a driver just before, during or after its submission."""
        driver = self._begin(run)
        deadline = time.monotonic() + PATIENCE_S
        near = self.chance.choice(["record", "job"])
        while (
            driver.poll() is None and time.monotonic() < deadline and not self._is_near(run, near)
        ):
            time.sleep(0.005)
        limit_s = self.chance.choice([0.02, 0.3, LATEST_KILL_S])
        deadline = time.monotonic() + limit_s * self.chance.random()
        while driver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        if driver.poll() is None:
            driver.kill()
            self.counts["kills"] += 1
            n_jobs = len(self.service.jobs())
            self.counts[f"kills with {'a job' if n_jobs else 'no job'} at the service"] += 1
        driver.wait()

    def _is_near(self, run: Command, what: str) -> bool:
        """Return whether the driver is about to submit, or has submitted."""
        if what == "record":
            return any(run.runs.glob("*/tasks/*/qpu-*.jsonl"))
        return bool(self.service.jobs())

    def _complete(self, run: Command) -> None:
        """Resume the run until it has completed."""
        for _ in range(MOST_RESUMES):
            if _results(run):
                return
            if self._begin(run).wait(PATIENCE_S):
                self.counts["drivers that gave up"] += 1
        if not _results(run):
            output = (run.runs / "output.txt").read_text()[-1500:]
            self.faults.append(f"{run.runs} does not complete: {output}")

    def _check(self, run: Command) -> None:
        """Compare the run with what the service knows."""
        found, jobs = _results(run), self.service.jobs()
        if not found:
            return
        self.counts["completed runs"] += 1
        self.counts["jobs"] += len(jobs)
        self.counts["jobs used"] += 1
        self.counts["jobs cancelled"] += sum(job["status"] == "Cancelled" for job in jobs)
        others = [job for job in jobs if job["id"] != found["job_id"]]
        self.counts["jobs paid and not used"] += sum(job["status"] == "Completed" for job in others)
        tags = {tuple(job["tags"]) for job in jobs}
        if len(tags) != 1:
            self.faults.append(f"{run.runs}: jobs with {len(tags)} tags")
        if len(others) != len(jobs) - 1:
            self.faults.append(f"{run.runs}: the job {found['job_id']} is not at the service")
        alive = [job["id"] for job in others if job["status"] in ("Queued", "Running")]
        if alive:
            self.faults.append(f"{run.runs}: jobs {alive} still wait or run")
        charged = sum((job["usage"] or {}).get("seconds", 0.0) for job in jobs)
        if abs(charged - found["usage_s"]) > 0.01:
            self.faults.append(f"{run.runs}: {charged} s charged, {found['usage_s']} s recorded")


def _results(run: Command) -> dict[str, Any]:
    """Return what the quantum stage of a completed run gave; nothing of another one."""
    for path in run.runs.glob("*/results.json"):
        document = json.loads(path.read_text())
        if document["run"]["status"] == "completed":
            return document["quantum"]
    return {}


def main() -> None:
    """Run a campaign and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="hp-qpu-campaign-"))
    began = time.monotonic()
    service = QuantumService.start()
    os.environ.update(service.variables)
    campaign = Campaign(service, random.Random(given.seed), folder)
    try:
        campaign.run(given.kills)
    finally:
        service.stop()
        for name, number in sorted(campaign.counts.items()):
            print(f"{number:6d} {name}")
        print(*campaign.faults, sep="\n")
        print(f"{len(campaign.faults):6d} faults, {time.monotonic() - began:.0f} s")
    if not campaign.faults:
        shutil.rmtree(folder)
    sys.exit(1 if campaign.faults else 0)


if __name__ == "__main__":
    main()
