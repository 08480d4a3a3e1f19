from __future__ import annotations

import subprocess
import sys
import time

import psutil
from waiting import PATIENCE_S

CHILD = "from hybrid_parsl.parent_death import die_with_parent; die_with_parent()"
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(child.pid, flush=True)
time.sleep(300)
"""


def test_a_process_ends_when_the_one_that_started_it_is_killed():
    child = f"{CHILD}; print('ready', flush=True); import time; time.sleep(300)"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, child], stdout=subprocess.PIPE, text=True
    )
    pid = {parent.stdout.readline().strip(), parent.stdout.readline().strip()} - {"ready"}
    process = psutil.Process(int(pid.pop()))
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + PATIENCE_S
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


LATE = """
import os, subprocess, sys
child = '''
import os, sys, time
from hybrid_parsl.parent_death import die_with_parent
while os.getppid() == int(sys.argv[1]): time.sleep(0.01)
die_with_parent(parent=int(sys.argv[1]))
print("outlived it")
'''
subprocess.Popen([sys.executable, "-c", child, str(os.getpid())])
"""


def test_a_process_ends_when_the_one_that_started_it_has_ended_before():
    done = subprocess.run(
        [sys.executable, "-c", LATE], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )  # both hold the pipes: this returns when both have ended
    assert (done.stdout, done.stderr) == ("", "")
