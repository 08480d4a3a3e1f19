"""What the executor for Kubernetes costs, against a small API server in a process of its own.

    python benchmarks/kubernetes_jobs.py [--jobs 1000] [--finished 10000]

The server is that of the tests; its pods end at once and say one line. The first part submits jobs
one after the other and counts the calls that the server got. The second runs jobs until they are
finished and forgotten by the program, and compares the memory before and after.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import psij
import psutil

from hybrid_parsl.psij_kubernetes import JobOptions, KubernetesExecutorConfig

SUPPORT = Path(__file__).resolve().parents[1] / "tests" / "support"
SERVER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from instant_cluster import serve
serve(Path(sys.argv[2]))
"""


def start_server(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """Start the server; return it and its address."""
    command = [sys.executable, "-c", SERVER, str(SUPPORT), str(folder / "kubeconfig")]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().strip() if server.stdout else ""
    return server, address


def calls(address: str) -> dict[str, int]:
    """Return how many calls of each sort the server got since it was asked last."""
    with urllib.request.urlopen(f"{address}/calls") as answer:  # noqa: S310 - our own server
        found: dict[str, int] = json.load(answer)
    return found


def run_jobs(executor: psij.JobExecutor, n_jobs: int, folder: Path) -> tuple[float, float]:
    """Run jobs whose output is wanted; return the seconds of all submissions, and until the end."""
    left = threading.Semaphore(0)

    def ended(_: psij.Job, status: psij.JobStatus) -> None:
        if status.final:
            if status.state != psij.JobState.COMPLETED:
                print(status)
            left.release()

    executor.set_job_status_callback(ended)
    begun = time.perf_counter()
    for _ in range(n_jobs):
        path = folder / "output"
        spec = psij.JobSpec("echo", ["x"], stdout_path=path, stderr_path=path)
        executor.submit(psij.Job(spec))
    submitted = time.perf_counter() - begun
    for _ in range(n_jobs):
        left.acquire()
    return submitted, time.perf_counter() - begun


def count_calls(executor: psij.JobExecutor, address: str, n_jobs: int, folder: Path) -> None:
    """Print the rate of submissions and the calls they cost."""
    calls(address)
    submitted, ended = run_jobs(executor, n_jobs, folder)
    time.sleep(2)  # the last deletions
    found = calls(address)
    watches = {name: n for name, n in found.items() if name.startswith("WATCH")}
    n_calls = sum(found.values()) - sum(watches.values())
    print(f"{n_jobs} submissions: {n_jobs / submitted:.0f}/s (target at least 100/s)")
    print(f"{n_jobs} jobs from the first submission to the last end: {n_jobs / ended:.0f}/s")
    print(f"calls a job: {n_calls / n_jobs:.3f} (target 3: create, log, delete; and the lists)")
    print(f"watches: {watches} (target one a kind)")
    print(f"all calls: {found}\n")


def measure_memory(executor: psij.JobExecutor, n_jobs: int, folder: Path) -> None:
    """Print what finished jobs leave in the memory of the driver."""
    process = psutil.Process()
    run_jobs(executor, n_jobs // 10, folder)
    gc.collect()
    before = process.memory_info().rss
    done = 0
    while done < n_jobs:
        n_batch = min(1000, n_jobs - done)
        run_jobs(executor, n_batch, folder)
        done += n_batch
    gc.collect()
    grown = process.memory_info().rss - before
    print(f"{n_jobs} finished jobs: {grown / n_jobs:.0f} bytes a job (target at most 2048)")


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=1000, help="jobs whose calls are counted")
    parser.add_argument("--finished", type=int, default=10_000, help="jobs that leave memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server, address = start_server(folder)
        config = KubernetesExecutorConfig(
            kubeconfig=folder / "kubeconfig", options=JobOptions(image="image")
        )
        executor = psij.JobExecutor.get_instance("kubernetes", config=config)
        try:
            count_calls(executor, address, options.jobs, folder)
            measure_memory(executor, options.finished, folder)
        finally:
            executor.close()
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
