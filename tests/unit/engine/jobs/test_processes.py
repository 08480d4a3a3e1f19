from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from waiting import PATIENCE_S

from hybrid_parsl.engine.jobs.processes import ProcessTree

if TYPE_CHECKING:
    from collections.abc import Iterator

CHILD = "import time; time.sleep(300)"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-S", "-c", {CHILD!r}], start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""
STUBBORN = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print(0, flush=True)
time.sleep(300)
"""


def started(code: str) -> tuple[subprocess.Popen[bytes], int]:
    """Return a process that runs `code`, and the number that it printed first."""
    process = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.fixture
def family() -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """A process and its child, in a session of its own."""
    parent, pid = started(PARENT)
    child = psutil.Process(pid)
    yield parent, child
    for process in (parent, child):
        if process.poll() is None if process is parent else child.is_running():
            process.kill()
    parent.communicate()


def gone(process: psutil.Process, patience_s: float = 5) -> bool:
    """Return whether `process` ends soon; a zombie that nobody waits for has ended."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_a_tree_holds_all_descendants_and_ends_them(
    family: tuple[subprocess.Popen[bytes], psutil.Process],
) -> None:
    parent, child = family
    tree = ProcessTree.of(parent.pid)
    assert {member.pid for member in tree.members} == {parent.pid, child.pid}
    tree.end()
    assert parent.wait(PATIENCE_S) == -9
    assert gone(child)


def test_a_descendant_is_ended_even_if_its_parent_is_gone(
    family: tuple[subprocess.Popen[bytes], psutil.Process],
) -> None:
    parent, child = family
    tree = ProcessTree.of(parent.pid)
    parent.kill()
    parent.wait(PATIENCE_S)
    assert child.is_running()
    tree.end()
    assert gone(child)


def test_a_process_that_ignores_signals_is_ended() -> None:
    process, _ = started(STUBBORN)
    ProcessTree.of(process.pid).end()
    assert process.wait(PATIENCE_S) == -9
    process.communicate()


def test_a_process_that_has_ended_has_no_tree() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait(PATIENCE_S)
    tree = ProcessTree.of(process.pid)
    assert tree.members == []
    tree.end()


def test_a_tree_may_be_ended_twice(
    family: tuple[subprocess.Popen[bytes], psutil.Process],
) -> None:
    parent, _ = family
    tree = ProcessTree.of(parent.pid)
    tree.end()
    parent.wait(PATIENCE_S)
    tree.end()


def test_a_tree_that_keeps_forking_is_ended_whole():
    marker = f"4321.{time.time_ns()}"
    script = f"while true; do sleep {marker} & done"
    for _ in range(2):
        process = subprocess.Popen(["bash", "-c", f"ulimit -u 4000; {script}"])
        time.sleep(0.05)
        ProcessTree.of(process.pid).end()
        process.wait()
        found = subprocess.run(["pgrep", "-fc", marker], capture_output=True, check=False)
        assert int(found.stdout) == 0
