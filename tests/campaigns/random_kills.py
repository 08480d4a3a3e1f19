"""Kill and cancel runs at random moments, half of the time with their scheduler away.

A program, not a test: ``python tests/campaigns/random_kills.py slurm --kills 90``. Each run
begins in a folder of its own. Its drivers are killed by SIGKILL, or it is cancelled, and
another driver resumes it until it completes. Afterwards the records of the run are compared with
what the service itself knows of its jobs:

- every job of the service belongs to a run, and has a record there;
- no two jobs of one task existed at the same time, and a run whose drivers were only killed has
  exactly one job a search, besides jobs that failed by themselves;
- no job lives that a record or a command called cancelled, or whose run has completed;
- results are those of an undisturbed local run, to the last digit.

The seed is printed first; ``--seed`` repeats a campaign, as far as the machine's timing allows.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from command import Command
from disturbed_services import SERVICES, Job, executors_of_blocks, record_paths, records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from disturbed_services import Service

SETTINGS = ["problem.nodes=6", "search.starts=6", "analysis.landscape=8", "quantum.shots=200"]
SMALL = ["maxcut", *[word for each in SETTINGS for word in ("--set", each)]]
STAGES = ("search", "quantum", "analysis")
LONGEST_LIFE_S = 7.0
LONGEST_OUTAGE_S = 8.0
PATIENCE_S = 300.0
SETTLING_S = 60.0
MOST_RESUMES = 6
CANCELS = ("command", "SIGINT", "SIGTERM", "command after SIGKILL")


def physics(run: Command) -> dict[str, dict[str, object]]:
    """Return what the completed run found, without where and when."""
    for path in run.runs.glob("*/results.json"):
        document = json.loads(path.read_text())
        if document["run"]["status"] == "completed":
            return {
                name: {key: value for key, value in document[name].items() if key != "execution"}
                for name in STAGES
            }
    return {}


@dataclass
class Campaign:
    """Runs that are disturbed, and what came of it.

    Attributes
    ----------
    service
        Where they run.
    chance
        Decides when what happens.
    folder
        Holds the folders of the runs.
    counts
        What happened how often.
    faults
        What must not happen, and did: the run and what is wrong.
    """

    service: Service
    chance: random.Random
    folder: Path
    expected: dict[str, dict[str, object]]
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    # daemons end with the thread that started them, so this one lasts
    _absences: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def run(self, n_kills: int, n_cancels: int) -> None:
        """Disturb runs until `n_kills` drivers were killed and `n_cancels` runs cancelled."""
        while self.counts["kills"] < n_kills or self.counts["cancels"] < n_cancels:
            left = n_kills - self.counts["kills"], n_cancels - self.counts["cancels"]
            run = Command(self.service.site, self.folder / f"{self.counts['runs']:03d}")
            self.counts["runs"] += 1
            before = len(self.faults)
            if left[1] > 0 and (left[0] <= 0 or self.chance.random() < 0.4):
                only_killed = False
                self._cancelled(run)
            else:
                only_killed = True
                self._killed(run, min(left[0], self.chance.randint(1, 4)))
            self._complete(run)
            self._check(run, only_killed=only_killed)
            if len(self.faults) == before:
                shutil.rmtree(run.runs, ignore_errors=True)
            else:
                print(*self.faults[before:], sep="\n", flush=True)

    def _begin(self, run: Command) -> subprocess.Popen[str]:
        """Begin the run, or resume it; its output goes to a file beside it."""
        begun = any(run.runs.glob("*/experiment.toml"))
        words = (
            run.command_of_run("resume")
            if begun
            else run.arguments(*SMALL, *self.service.options(run))
        )
        run.runs.mkdir(parents=True, exist_ok=True)
        with (run.runs / "output.txt").open("a") as file:
            return subprocess.Popen(words, stdout=file, stderr=file, text=True)

    @contextlib.contextmanager
    def _outage(self) -> Iterator[None]:
        """Let the service be away for a random time half of the time."""
        if self.service.site == "local" or self.chance.random() < 0.5:
            yield
            return
        self.counts["outages"] += 1
        delay_s, length_s = self.chance.uniform(0, 4), self.chance.uniform(0.5, LONGEST_OUTAGE_S)

        def be_away() -> None:
            time.sleep(delay_s)
            self.service.leave()
            time.sleep(length_s)
            self.service.come_back()

        absence = self._absences.submit(be_away)
        try:
            yield
        finally:
            absence.result()

    def _wait_for_moment(self, run: Command, driver: subprocess.Popen[str]) -> None:
        """Wait for a random time; often until the first job is just being submitted."""

        def submits() -> bool:
            return any(record_paths(run))

        deadline = time.monotonic() + self.chance.uniform(0.0, LONGEST_LIFE_S)
        if not submits() and self.chance.random() < 0.6:
            deadline += LONGEST_LIFE_S
            while driver.poll() is None and not submits() and time.monotonic() < deadline:
                time.sleep(0.002)
            deadline = (
                time.monotonic() + self.chance.choice([0.05, 0.3, 2.0]) * self.chance.random()
            )
        while driver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)

    def _killed(self, run: Command, n_kills: int) -> None:
        """Kill the drivers of a run."""
        for _ in range(n_kills):
            with self._outage():
                driver = self._begin(run)
                self._wait_for_moment(run, driver)
                if driver.poll() is None:
                    driver.kill()
                    self.counts["kills"] += 1
                driver.wait()
            if physics(run):
                return

    def _cancelled(self, run: Command) -> None:
        """Cancel a run, and check what was said about it."""
        kind = self.chance.choice(CANCELS)
        with self._outage():
            driver = self._begin(run)
            self._wait_for_moment(run, driver)
            ended_before = driver.poll() is not None
            if kind.startswith("SIG"):
                driver.send_signal(signal.Signals[kind])
                code = driver.wait(PATIENCE_S)
                words = (run.runs / "output.txt").read_text()
            else:
                if kind != "command":
                    driver.kill()
                    driver.wait()
                done = run.of_run("cancel", timeout_s=PATIENCE_S)
                code, words = done.returncode, done.stdout + done.stderr
                driver.wait(PATIENCE_S)
        if ended_before:
            return
        self.counts["cancels"] += 1
        self.counts[f"cancels by {kind}"] += 1
        claimed = code == 0 if not kind.startswith("SIG") else True
        live = self._settled(run)
        named = [job for job in live if _last(job.job_id) in words]
        if not live:
            return
        if claimed and len(named) < len(live):
            self._fault(run, f"{kind}: exit {code}, but {live} live; it said: {words[-500:]}")
            return
        self.counts["cancels that reported a live job"] += 1
        again = run.of_run("cancel", timeout_s=PATIENCE_S)
        if again.returncode or self._settled(run):
            self._fault(run, f"second cancel: exit {again.returncode}: {again.stderr[-500:]}")

    def _settled(self, run: Command) -> list[Job]:
        """Return the jobs that still live when jobs that are ending have had time to end."""
        deadline = time.monotonic() + SETTLING_S
        while (live := self.service.live(run)) and time.monotonic() < deadline:
            time.sleep(0.5)
        return live

    def _complete(self, run: Command) -> None:
        """Resume the run until it has completed."""
        for _ in range(MOST_RESUMES):
            if physics(run):
                return
            driver = self._begin(run)
            try:
                if driver.wait(PATIENCE_S):
                    self.counts["drivers that gave up"] += 1
            except subprocess.TimeoutExpired:
                driver.kill()
                self._fault(run, "a driver hangs")
        if not physics(run):
            self._fault(run, f"does not complete: {(run.runs / 'output.txt').read_text()[-1500:]}")

    def _check(self, run: Command, *, only_killed: bool) -> None:
        """Compare the run with what the service knows."""
        for job in self._settled(run):
            self._fault(run, f"{job} lives after the run has completed")
        if (found := physics(run)) and found != self.expected:
            self._fault(run, "other digits than the local run")
        self.counts["completed runs"] += bool(found)
        known = records(run)
        for record in known:
            if record["ended"] is None:
                self._fault(run, f"record without an end: {record}")
        jobs = self.service.jobs(run)
        self.counts["jobs"] += len(jobs)
        recorded = {word for each in known for word in (each["name"], _last(str(each["job_id"])))}
        strays = [job for job in jobs if not recorded & {job.name, _last(job.job_id)}]
        self.counts["jobs that a later one of the same task replaced"] += len(strays)
        self.counts["jobs that failed"] += sum(job.failed for job in jobs)
        tasks = sorted(Job(str(each["name"]), "").task for each in known for _ in _tries(each))
        kept = sorted(job.task for job in jobs if not job.failed)
        self.counts["jobs that failed"] += len(tasks) - len(known)
        if only_killed and self.service.keeps_jobs and kept != tasks:
            self._fault(run, f"jobs {jobs} for the records of {tasks}")
        self._check_overlaps(run, jobs)

    def _check_overlaps(self, run: Command, jobs: list[Job]) -> None:
        """Check that no two jobs of one task, or blocks of one executor, existed at one time."""
        executors = executors_of_blocks(run)
        by_task: dict[str, list[Job]] = {}
        for job in sorted(jobs, key=lambda job: job.started or 0.0):
            by_task.setdefault(executors.get(job.name, job.task), []).append(job)
        for task, several in by_task.items():
            for first, second in itertools.pairwise(several):
                if first.ended and second.started and second.started < first.ended:
                    self._fault(run, f"two jobs of {task} at once: {first}, {second}")

    def _fault(self, run: Command, what: str) -> None:
        """Write down what must not happen; the run's folder is kept."""
        self.faults.append(f"FAULT {run.runs}: {what}")


def _tries(record: dict[str, object]) -> list[object]:
    """Return a job's record and those of earlier tries that failed by themselves.

    The audit log of Kubernetes says what was created, not how that ended.
    """
    if record["backend"] != "kubernetes":
        return [record]
    return [record, *(each for each in record["tries"] if each["ended"] == "FAILED")]


def _last(job_id: str) -> str:
    """Return an id without kind and namespace."""
    return job_id.rpartition("/")[2]


def main() -> None:
    """Run a campaign on one service and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--cancels", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    print(f"{given.service}, seed {given.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="hp-campaign-"))
    began = time.monotonic()
    here = Command("local", folder / "expected")
    here.document(*SMALL)
    service = SERVICES[given.service]()
    campaign = Campaign(service, random.Random(given.seed), folder, physics(here))
    try:
        campaign.run(given.kills, given.cancels)
    finally:
        service.stop()
        for name, number in sorted(campaign.counts.items()):
            print(f"{number:6d} {name}")
        print(f"{len(campaign.faults):6d} faults, {time.monotonic() - began:.0f} s")
    if not campaign.faults:
        shutil.rmtree(folder)
    sys.exit(1 if campaign.faults else 0)


if __name__ == "__main__":
    main()
