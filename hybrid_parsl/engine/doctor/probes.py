"""Runs a probe where each stage would run, on the executors that the site gives it."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import TimeoutError as NotDoneError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_parsl import labels
from hybrid_parsl.engine.doctor.finding import Finding, ok, wrong
from hybrid_parsl.engine.doctor.schedulers import waiting_reason
from hybrid_parsl.engine.plain_executor import as_site_executor
from hybrid_parsl.engine.session import Session
from hybrid_parsl.errors import HybridParslError, IdentityMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    import parsl

    from hybrid_parsl.engine.site_executor import SiteExecutor
    from hybrid_parsl.records.node_report import NodeReport

    Probe = Callable[[str], Sequence[NodeReport] | None]

_RANKS_PER_NODE = 2
_GIB = 2**30
_COMPARED = ("python", "hybrid-parsl", "parsl", "dill")


@dataclass
class Probes:
    """The probes of all labels, run at the same time.

    Parameters
    ----------
    config
        What the site's ``config(run)`` returned.
    source
        The site's file.
    functions
        The probe for each label; it gets the path of a file of the driver.
    versions
        The driver's versions.
    folder
        Where the driver writes that file.
    timeout_s
        Longest time to wait for an answer, in seconds, from when all were asked.
    """

    config: parsl.Config
    source: str
    functions: Mapping[str, Probe]
    versions: Mapping[str, str]
    folder: Path
    timeout_s: float

    def examine(self) -> Iterator[Finding]:
        """Start the executors, send the probes, and report their results."""
        secret = secrets.token_hex(8)
        token = self.folder / "token"
        token.write_text(secret, encoding="utf-8")
        try:
            with Session(self.config, self.source):
                begun = time.monotonic()
                sent = [
                    (each, self._send(each, str(token)))
                    for each in map(as_site_executor, self.config.executors)
                    if each.label in labels.ALL
                ]
                for executor, answer in sent:
                    left_s = max(0.1, self.timeout_s - (time.monotonic() - begun))
                    yield from self._receive(executor, answer, left_s, secret)
        except Exception as error:  # noqa: BLE001 - of any executor that does not start
            yield wrong("executors", _in_words(error), "fix this first; nothing can run before")

    def _send(self, executor: SiteExecutor, token: str) -> Future[Any] | Exception:
        """Send the probe of an executor's label; return what went wrong if it cannot be sent."""
        layout = probe_layout(executor)
        try:
            future: Future[Any] = executor.submit(self.functions[executor.label], layout, token)
        except Exception as error:  # noqa: BLE001 - of any executor
            return error
        return future

    def _receive(
        self, executor: SiteExecutor, answer: Future[Any] | Exception, left_s: float, secret: str
    ) -> Iterator[Finding]:
        """Wait for the result of one executor, and report it."""
        label = executor.label
        if isinstance(answer, Exception):
            yield wrong(label, _in_words(answer), "fix what it reports")
            return
        try:
            reports: Sequence[NodeReport] = answer.result(left_s)
        except NotDoneError:
            yield self._overdue(executor, answer)
            return
        except Exception as error:  # noqa: BLE001 - of any executor
            yield wrong(label, _in_words(error), _advice(executor, error))
            return
        yield from self._judge(executor, reports, secret)

    def _overdue(self, executor: SiteExecutor, answer: Future[Any]) -> Finding:
        """Return why there is no answer, as far as can be known."""
        label, waited = executor.label, f"no answer in {self.timeout_s:g} s"
        job_id = executor.job_id_of(answer)
        if job_id is None:
            return wrong(label, waited, "see whether its processes start; take a longer --timeout")
        reason = waiting_reason(executor.backend, job_id)
        if not reason.startswith(("RUNNING", "R")):
            advice = "try again later, with a longer --timeout, or in another partition"
            return wrong(label, f"{waited}: job {job_id} waits in the queue: {reason}", advice)
        connection = executor.connection()
        if connection is not None and not connection.is_made:
            message = (
                f"block {job_id} runs, but no worker of it has reached this computer: {connection}"
            )
            advice = "set address to one that the nodes can reach, and let its ports through"
            return wrong(label, message, advice)
        return wrong(label, f"{waited}: job {job_id} runs", "take a longer --timeout")

    def _judge(
        self, executor: SiteExecutor, reports: Sequence[NodeReport], secret: str
    ) -> Iterator[Finding]:
        """Judge the reports of one executor."""
        label = executor.label
        nodes = sorted({report.node for report in reports})
        if label == labels.MPI:
            yield _judge_ranks(executor, reports, nodes)
        else:
            yield ok(label, _where(executor, nodes))
        blind = sorted({report.node for report in reports if report.token != secret})
        if blind and executor.shares_files:
            message = f"{', '.join(blind)} cannot read {self.folder}"
            advice = "take a --runs-dir that the nodes see under the same path"
            yield wrong(f"{label}: run directory", message, advice)
        yield _judge_versions(executor, self.versions, reports[0])
        yield from _judge_equipment(label, reports)


def probe_layout(executor: SiteExecutor) -> dict[str, Any]:
    """Return the resource specification of the probe of an executor's label."""
    if executor.label != labels.MPI:
        return {}
    return {"num_nodes": executor.num_nodes, "ranks_per_node": _RANKS_PER_NODE}


def _judge_ranks(
    executor: SiteExecutor, reports: Sequence[NodeReport], nodes: list[str]
) -> Finding:
    """Return whether the ranks found each other, on as many nodes as were asked for."""
    n_nodes = executor.num_nodes
    each = int(executor.overrides.get("ranks_per_node") or _RANKS_PER_NODE)
    text = f"{len(reports)} ranks on {', '.join(nodes)}; {reports[0].mpi_library}"
    if len(reports) != n_nodes * each:
        advice = "set mpi_launcher, or mpi_type to one of srun --mpi=list that fits the MPI library"
        message = f"{len(reports)} ranks found each other instead of {n_nodes * each}; {text}"
        return wrong(labels.MPI, message, advice)
    if len(nodes) != n_nodes:
        advice = "see what the scheduler gives: nodes and ranks_per_node of the site"
        return wrong(labels.MPI, f"{n_nodes} nodes asked for; {text}", advice)
    return ok(labels.MPI, text)


def _judge_versions(executor: SiteExecutor, here: Mapping[str, str], report: NodeReport) -> Finding:
    """Return whether a node has the driver's versions."""
    label, check = executor.label, f"{executor.label}: versions"
    different = [
        f"{name} {report.versions.get(name, 'missing')} on {report.node}, {here[name]} here"
        for name in _COMPARED
        if name in here and not _agree(name, report.versions.get(name), here[name])
    ]
    if different:
        return wrong(check, "; ".join(different), executor.version_advice)
    shown = ("python", "mpi4py", "parsl") if label == labels.MPI else ("python", "parsl", "qiskit")
    found = [f"{name} {report.versions[name]}" for name in shown if name in report.versions]
    return ok(check, f"as here: {', '.join(found)}")


def _agree(name: str, there: str | None, here: str) -> bool:
    """Return whether two versions understand each other; of Python, the first two numbers count."""
    if name == "python" and there is not None:
        return there.split(".")[:2] == here.split(".")[:2]
    return there == here


def _judge_equipment(label: str, reports: Sequence[NodeReport]) -> Iterator[Finding]:
    """Judge memory and the cache of compiled kernels."""
    least = min(reports, key=lambda report: report.available_bytes)
    yield ok(f"{label}: memory", f"{least.available_bytes / _GIB:.1f} GiB free on {least.node}")
    if label != labels.MPI:
        return
    without = [report.node for report in reports if report.kernels is None]
    if without:
        advice = "set NUMBA_CACHE_DIR in worker_init to a folder that can be written to there"
        message = f"compiled, but each process of {without[0]} compiles again: nowhere to keep them"
        yield wrong(f"{label}: kernels", message, advice)
    else:
        yield ok(f"{label}: kernels", f"compiled, kept in {reports[0].kernels}")


def _where(executor: SiteExecutor, nodes: list[str]) -> str:
    """Return where an executor's process runs, and how it reached this computer."""
    text = f"a process on {', '.join(nodes)}"
    connection = executor.connection()
    return text if connection is None else f"{text}, connected back to {connection}"


def _in_words(error: Exception) -> str:
    """Return what an exception says, without the name of a log that is about to be removed."""
    name = "" if isinstance(error, HybridParslError) else f"{type(error).__name__}: "
    lines = [line for line in str(error).splitlines() if line and not line.startswith("  log: ")]
    return name + "\n".join(lines)


def _advice(executor: SiteExecutor, error: Exception) -> str:
    """Return what to do about the exception of a probe."""
    if isinstance(error, IdentityMismatchError):
        return executor.version_advice
    if executor.python and executor.python in str(error):
        return "set python to an interpreter of the nodes"
    return "fix what the last lines of its log report"
