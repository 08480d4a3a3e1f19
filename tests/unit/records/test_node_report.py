from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from hybrid_parsl.records.node_report import node_name, read_token

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_node_has_slurms_name_or_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    assert node_name() == socket.gethostname()
    monkeypatch.setenv("SLURMD_NODENAME", "n7")
    assert node_name() == "n7"


def test_a_token_is_read_if_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc")
    assert read_token(str(tmp_path / "token")) == "abc"
    assert read_token(str(tmp_path / "nothing")) is None
