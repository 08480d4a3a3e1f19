"""The smallest job there is: submitted, followed, and cancelled.

It needs nothing on the node but a shell, so that it can report what is missing there: the
folder of the run, the interpreter, the package.
"""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hybrid_parsl.engine.doctor.finding import Finding, ok, skipped, wrong
from hybrid_parsl.engine.doctor.schedulers import waiting_reason
from hybrid_parsl.engine.jobs.backend import JobBackend
from hybrid_parsl.engine.jobs.psij_loading import load_psij
from hybrid_parsl.errors import HybridParslError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hybrid_parsl.engine.jobs.registry import JobEnd, SubmittedJob
    from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions

_PAUSE_S = 0.1
_REPORT_PATIENCE_S = 20.0
_DELAY_S = 5.0
_CANCEL_PATIENCE_S = 30.0
_WALLTIME_S = 120
_NO_PYTHON = "no python"
_INIT_FAILED = "worker_init failed: "
_PROGRAM = """\
node() {{ echo "node ${{SLURMD_NODENAME:-$(hostname)}}"; }}
failed() {{
  {{ node; echo "{init_failed}exit code $1; $(tail -n 1 {report}.init)"; }} > {report}.part
  mv {report}.part {report}
}}
trap 'failed $?' EXIT
exec 3>&2 2> {report}.init
set -e
{worker_init}
set +e
exec 2>&3
trap - EXIT
{{
  node
  if command -v {python} >/dev/null; then
    {python} -c 'import hybrid_parsl.identity as i; print("identity", i.current())' 2>&1 | tail -n 1
  else
    echo "{no_python}"
  fi
}} > {report}.part
mv {report}.part {report}
sleep {walltime}
"""


@dataclass
class FirstJob:
    """A job that reports from its node and then waits to be cancelled.

    Parameters
    ----------
    backend
        PSI/J's name of the scheduler.
    batch
        Options of the job.
    python
        The interpreter that has to be on the node.
    identity
        The driver's package.
    folder
        Where the job writes, in the folder of runs.
    timeout_s
        Longest time in the queue, in seconds.
    """

    backend: str
    batch: BatchOptions
    python: str
    identity: str
    folder: Path
    timeout_s: float
    _end: list[JobEnd] = field(default_factory=list)

    def examine(self) -> Iterator[Finding]:
        """Submit, follow and cancel the job, and report each step."""
        jobs = JobBackend(self.backend, self.folder / ".psij", self.batch.polling_interval_s)
        try:
            submitted = jobs.submit(self._spec(), self._end.append)
        except HybridParslError as error:
            jobs.close()
            yield wrong("submit", str(error), "fix what the scheduler reports")
            return
        try:
            yield ok("submit", f"job {submitted.job_id}")
            yield from self._follow(submitted)
            yield self._cancel(jobs, submitted)
        finally:
            jobs.close()

    def _follow(self, submitted: SubmittedJob) -> Iterator[Finding]:
        """Tell how the job starts, and what it reports."""
        begun = time.monotonic()
        if not self._wait(lambda: self._has_started(submitted), self.timeout_s):
            reason = waiting_reason(self.backend, submitted.job_id)
            message = (
                f"job {submitted.job_id} waits in the queue for {self.timeout_s:g} s: {reason}"
            )
            advice = "try again later, with a longer --timeout, or in another partition"
            yield wrong("status", message, advice)
            return
        yield ok("status", f"started {time.monotonic() - begun:.1f} s later")
        patience_s = _REPORT_PATIENCE_S + 2 * self.batch.polling_interval_s
        self._wait(lambda: self._end or self._has_reported(), patience_s)
        if not self._wait(self._has_reported, _DELAY_S):
            ended = f", and has ended ({self._end[0].message})" if self._end else ""
            message = f"job {submitted.job_id} runs and left nothing in {self.folder}{ended}"
            advice = "take a --runs-dir that the nodes see under the same path, and may write to"
            yield wrong("run directory", message, advice)
            return
        yield from self._read_report()

    def _read_report(self) -> Iterator[Finding]:
        """Tell what the job found on its node."""
        first, _, second = self._report.read_text(encoding="utf-8").partition("\n")
        node, words = first.removeprefix("node "), second.strip()
        yield ok("run directory", f"{node} sees it under the same path")
        found = words.removeprefix("identity ")
        same = "install the same version there, or set python to where it is"
        if words.startswith(_INIT_FAILED):
            message = f"{words.removeprefix(_INIT_FAILED)} on {node}"
            yield wrong("worker_init", message, "correct the settings modules and worker_init")
        elif words == _NO_PYTHON:
            advice = "set python to an interpreter of the nodes"
            yield wrong("python", f"{self.python} is not on {node}", advice)
        elif found == words:
            message = f"{self.python} on {node} cannot import hybrid_parsl: {words or 'no answer'}"
            yield wrong("package", message, same)
        elif found != self.identity:
            yield wrong("package", f"{found} on {node}, {self.identity} here", same)
        else:
            yield ok("package", f"the same on {node} as here")

    def _cancel(self, jobs: JobBackend, submitted: SubmittedJob) -> Finding:
        """Cancel the job, and report whether that worked."""
        if self._end:
            return skipped("cancel", "the job had ended")
        jobs.cancel(submitted)
        begun = time.monotonic()
        patience_s = _CANCEL_PATIENCE_S + 2 * self.batch.polling_interval_s
        if self._wait(lambda: bool(self._end), patience_s):
            return ok("cancel", f"gone {time.monotonic() - begun:.1f} s later")
        message = f"job {submitted.job_id} is still there after {patience_s:g} s"
        return wrong("cancel", message, "cancel it by hand, and ask who runs the scheduler")

    def _wait(self, condition: Callable[[], object], patience_s: float) -> bool:
        """Wait until `condition` holds, and return whether it does."""
        deadline = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_S)
        return True

    def _has_started(self, submitted: SubmittedJob) -> bool:
        """Return whether the job has left the queue."""
        return bool(self._end) or submitted.job.status.state.name == "ACTIVE"

    def _has_reported(self) -> bool:
        """Return whether the report is there; listing the folder makes NFS look anew."""
        return self._report.name in os.listdir(self.folder)  # noqa: PTH208 - a plain name

    @property
    def _report(self) -> Path:
        """The file that the job writes."""
        return self.folder / "node-report"

    def _spec(self) -> object:
        """Return PSI/J's description of the job."""
        psij = load_psij()
        program = _PROGRAM.format(
            init_failed=_INIT_FAILED,
            worker_init=self.batch.worker_init,
            python=shlex.quote(self.python),
            no_python=_NO_PYTHON,
            report=shlex.quote(str(self._report)),
            walltime=_WALLTIME_S,
        )
        return psij.JobSpec(
            executable="/bin/bash",
            arguments=["-c", program],
            directory=self.folder,
            launcher="single",
            resources=psij.ResourceSpecV1(node_count=1, processes_per_node=1),
            attributes=self.batch.to_psij(self.backend, "hybrid-parsl-doctor", _WALLTIME_S),
        )
