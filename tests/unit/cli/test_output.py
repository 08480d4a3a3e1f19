"""Commands work whatever their streams are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.table import Table
from rich.text import Text
from waiting import PATIENCE_S

from hybrid_parsl.cli.failure import failure_text
from hybrid_parsl.cli.output import make_console, say, say_aside, say_rich
from hybrid_parsl.errors import JobRejectedError
from hybrid_parsl.messages import escape_controls

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = [sys.executable, "-m", "hybrid_parsl"]


def shell(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    words = [f"'{each}'" for each in PROGRAM]
    return subprocess.run(
        ["sh", "-c", command.replace("hybrid-parsl", " ".join(words))],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env={**os.environ, **variables},
    )


@pytest.fixture
def finished(ended_run: Path) -> Path:
    """Return the folder in which that of all runs is."""
    return ended_run.parents[1]


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("command", ["show", "show --json"])
def test_an_output_that_is_full_is_told(finished: Path, command: str) -> None:
    done = shell(f"hybrid-parsl {command} >/dev/full", finished)
    assert done.returncode == 4
    assert done.stderr == "error: cannot write the standard output: No space left on device\n"


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-"])
def test_a_stream_that_is_closed_is_not_missed(finished: Path, closed: str) -> None:
    done = shell(f"hybrid-parsl show {closed}", finished)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("0.9877" in done.stdout) is not closed.startswith(">")


@pytest.mark.usefixtures("thorough")
def test_errors_that_nobody_can_hear_still_have_their_exit_code(finished: Path) -> None:
    for stream in ("2>&-", "2>/dev/full"):
        assert shell(f"hybrid-parsl show nothing {stream}", finished).returncode == 2


def test_a_letter_that_an_encoding_does_not_have_is_no_error(finished: Path) -> None:
    done = shell("hybrid-parsl show", finished, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert r"-1.2 \xb1 0.012" in done.stdout


@pytest.mark.usefixtures("several_runs")
@pytest.mark.parametrize("stream", [">/dev/full", ">&- 2>&-"])
def test_a_run_goes_on_without_a_stream(tmp_path: Path, stream: str) -> None:
    done = shell(f"hybrid-parsl run bell {stream}", tmp_path)
    told = "" if ">/dev/full" not in stream else done.stderr
    assert ("the run goes on in" in told) is (">/dev/full" in stream)
    (path,) = tmp_path.glob("runs/*/results.json")
    assert json.loads(path.read_text())["run"]["status"] == "completed"
    assert done.returncode == 0


def test_what_is_said_aside_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _: str) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    say_aside("lost")


HOSTILE = "a\x1b]0;title\x07\x1b[2J\x9b1m\r\u202eb\tc\n✓"


def test_control_characters_are_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    expected = r"a\x1b]0;title\x07\x1b[2J\x9b1m\r\u202eb" + "\tc\n✓"
    assert escape_controls(HOSTILE) == expected
    say(HOSTILE)
    say_aside(HOSTILE)
    say_rich(Text(HOSTILE))
    out, err = capsys.readouterr()
    assert err == f"{expected}\n"
    assert "\x1b" not in out
    assert out.startswith(f"{expected}\n")
    assert out.count(r"\x1b[2J") == 2


def test_a_console_sends_its_own_control_characters_only() -> None:
    out = StringIO()
    console = make_console(file=out, force_terminal=True, color_system="truecolor", width=200)
    console.print(Text(HOSTILE, "bold red"))
    table = Table(title=HOSTILE)
    table.add_column(Text(HOSTILE))
    console.print(table)
    assert "\x1b[1;31m" in out.getvalue()
    assert "\x1b]0;" not in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()


def test_names_of_files_and_values_are_shown_as_text(tmp_path: Path) -> None:
    path = tmp_path / "x\x1b[31m.toml"
    path.write_text('name = "a\\u001b[2Jb"\n[problem]\nkind = "\\u001b]0;x\\u0007"\n')
    done = shell("hybrid-parsl run x*.toml", tmp_path)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert r"\x1b[31m.toml" in done.stderr


def test_an_error_of_several_lines_is_indented() -> None:
    error = JobRejectedError("kubernetes", "pods is forbidden:\nexceeded quota\n\n  | its log")
    text = "error: the kubernetes backend did not take the job: pods is forbidden:\n"
    assert failure_text(error) == f"{text}  exceeded quota\n\n  | its log"
