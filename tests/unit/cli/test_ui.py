"""The command that serves the page."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_prints_its_address_and_ends_when_it_is_told_to(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    command = [
        sys.executable,
        "-m",
        "hybrid_parsl",
        "ui",
        "--port",
        "0",
        "--runs-dir",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ui:
        assert ui.stdout
        lines = [ui.stdout.readline() for _ in range(5)]
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", "".join(lines))
        assert found
        with urllib.request.urlopen(found[0]) as answer:
            assert answer.status == 200
        ui.send_signal(number)
        _, errors = ui.communicate()
    assert ui.returncode == code
    assert errors == ""


def test_a_folder_that_is_not_there(command: Any) -> None:
    command("ui", "--runs-dir", "nowhere", code=2)
    assert "--runs-dir" in command.err
    assert "found: nowhere" in command.err
