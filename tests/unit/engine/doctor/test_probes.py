"""What the doctor concludes from the reports of ranks and workers."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.engine.doctor.probes import Probes
from hybrid_parsl.engine.site_executor import Connection, SiteExecutor
from hybrid_parsl.errors import IdentityMismatchError, JobFailedError
from hybrid_parsl.records.node_report import NodeReport

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.engine.doctor.finding import Finding

VERSIONS = {"python": "3.12.1", "hybrid-parsl": "0.1.0+abc", "parsl": "1.0", "mpi4py": "4.1"}


def report(node: str = "n1", **changes: Any) -> NodeReport:
    known = {
        "versions": VERSIONS,
        "token": "secret",
        "available_bytes": 2**31,
        "mpi_library": "MPICH Version: 5.0.2",
        "kernels": "/home/me/.cache",
    }
    return NodeReport(node, **{**known, **changes})


def judge(executor: Any, reports: list[NodeReport], folder: Path) -> dict[str, Finding]:
    probes = Probes(SimpleNamespace(), "site.py", {}, VERSIONS, folder, 3.0)
    return {finding.check: finding for finding in probes._judge(executor, reports, "secret")}


class Executor(SiteExecutor):
    def __init__(self, label: str, overrides: dict[str, int], reached: Connection | None) -> None:
        self.label, self.overrides, self.reached = label, overrides, reached

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        return Future()

    def connection(self) -> Connection | None:
        return self.reached


def ranks(num_nodes: int = 2) -> Executor:
    return Executor("mpi", {"num_nodes": num_nodes}, None)


def test_all_is_well(tmp_path: Path) -> None:
    reports = [report("n1"), report("n1"), report("n2"), report("n2", available_bytes=2**30)]
    found = judge(ranks(), reports, tmp_path)
    assert {finding.state for finding in found.values()} == {"ok"}
    assert found["mpi"].message == "4 ranks on n1, n2; MPICH Version: 5.0.2"
    assert found["mpi: memory"].message == "1.0 GiB free on n2"
    assert found["mpi: kernels"].message == "compiled, kept in /home/me/.cache"


@pytest.mark.parametrize(
    ("check", "reports", "words"),
    [
        ("mpi", [report()] * 4, "2 nodes asked for; 4 ranks on n1"),
        ("mpi", [report()], "1 ranks found each other instead of 4"),
        ("mpi: run directory", [report(), *[report("n2", token=None)] * 3], "n2 cannot read"),
        (
            "mpi: versions",
            [report(versions={**VERSIONS, "parsl": "2.0"})] * 4,
            "parsl 2.0 on n1, 1.0 here",
        ),
        ("mpi: versions", [report(versions={})] * 4, "python missing on n1, 3.12.1 here"),
        (
            "mpi: versions",
            [report(versions={**VERSIONS, "python": "3.13.1"})] * 4,
            "python 3.13.1 on n1, 3.12.1 here",
        ),
        ("mpi: kernels", [report("n3", kernels=None)] * 4, "each process of n3 compiles again"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    check: str, reports: list[NodeReport], words: str, tmp_path: Path
) -> None:
    finding = judge(ranks(), reports, tmp_path)[check]
    assert finding.state == "wrong"
    assert words in finding.message
    assert finding.advice


def test_bug_fixes_of_python_are_no_other_version(tmp_path: Path) -> None:
    older = report(versions={**VERSIONS, "python": "3.12.11"})
    found = judge(ranks(1), [older] * 2, tmp_path)["mpi: versions"]
    assert found.state == "ok"
    assert "python 3.12.11" in found.message


def test_another_version_of_ours_is_put_right_on_both_sides(tmp_path: Path) -> None:
    answer: Future[Any] = Future()
    answer.set_exception(IdentityMismatchError("0.1.0+a", "0.1.0+b", "rank 0"))
    probes = Probes(SimpleNamespace(), "site.py", {}, VERSIONS, tmp_path, 3.0)
    (finding,) = probes._receive(ranks(), answer, 1.0, "secret")
    assert "rank 0: 0.1.0+b" in finding.message
    assert finding.advice.startswith("install the same versions on both sides")


def test_a_worker_of_a_block_tells_where_it_reached_us(tmp_path: Path) -> None:
    block = Executor("quantum", {}, Connection(("10.0.0.1",), 54321, is_made=True))
    found = judge(block, [report()], tmp_path)
    assert found["quantum"].message == "a process on n1, connected back to 10.0.0.1, port 54321"
    assert "quantum: kernels" not in found


def test_an_answer_that_is_an_error_names_no_log_that_is_gone(tmp_path: Path) -> None:
    answer: Future[Any] = Future()
    answer.set_exception(JobFailedError("7", "ended", "/gone/stderr.log", "python: not found"))
    probes = Probes(SimpleNamespace(), "site.py", {}, VERSIONS, tmp_path, 3.0)
    (finding,) = probes._receive(ranks(), answer, 1.0, "secret")
    assert finding.message == "job 7: ended\n  | python: not found"


def test_no_answer_in_time(tmp_path: Path) -> None:
    probes = Probes(SimpleNamespace(), "site.py", {}, VERSIONS, tmp_path, 3.0)
    (finding,) = probes._receive(ranks(), Future(), 0.01, "secret")
    assert (finding.state, finding.message) == ("wrong", "no answer in 3 s")
