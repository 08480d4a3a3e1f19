from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl import identity
from hybrid_parsl.stages.probe import probe_process, probe_ranks

if TYPE_CHECKING:
    from pathlib import Path


def test_a_process_reports_what_it_finds(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc")
    (report,) = probe_process(str(tmp_path / "token"))
    assert report.token == "abc"
    assert report.versions["hybrid-parsl"] == identity.current()
    assert report.available_bytes > 2**20
    assert report.kernels == ""


def test_ranks_report_where_their_kernels_are_kept(tmp_path: Path) -> None:
    reports = probe_ranks(str(tmp_path / "nothing"))
    assert reports is not None
    assert len(reports) == 1
    assert reports[0].token is None
    assert reports[0].kernels
