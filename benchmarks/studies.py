"""What a study costs: its wall time against its compute, against single runs, and its resume.

    python benchmarks/studies.py [--points 200] [--single 5]

The points are searches of some 50 ms, on the processors of this computer. Single runs are measured
for a few points only, in turn with nothing else, and their time is multiplied.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = [sys.executable, "-m", "hybrid_parsl"]
WORKFLOWS = '''"""Nothing but searches."""

from apps.search import search


def searches(experiment):
    """Search."""
    return search(experiment)
'''
EXPERIMENT = """name = "points"

[workflow]
name = "searches"

[problem]
kind = "maxcut"
nodes = 10

[ansatz]
layers = 3

[search]
starts = {starts}
"""


def timed(command: list[str], folder: Path) -> float:
    """Return the seconds that a command of this package takes in `folder`."""
    begun = time.perf_counter()
    done = subprocess.run(
        [*PROGRAM, "--project", str(folder), *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    taken_s = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return taken_s


def make_project(folder: Path, starts: int) -> None:
    """Make a project whose workflow is one search."""
    subprocess.run([*PROGRAM, "init", str(folder)], check=True, capture_output=True)
    (folder / "apps" / "workflows.py").write_text(WORKFLOWS)
    (folder / "experiments" / "points.toml").write_text(EXPERIMENT.format(starts=starts))


def compute_s(study: Path) -> list[float]:
    """Return the seconds that each search of a study took on its rank."""
    tasks = json.loads((study / "results.json").read_text())["tasks"].values()
    return [task["result"]["execution"]["duration_s"] for task in tasks]


def main() -> None:
    """Print what a study costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--single", type=int, default=5, help="single runs to measure")
    parser.add_argument("--starts", type=int, default=8, help="of each search: its size")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        make_project(folder, asked.starts)
        sweep = ["--sweep", f"problem.seed={{range=[0,{asked.points}]}}"]
        timed(["run", "points", "--runs-dir", "warm", *sweep[:1], "problem.seed=0,1"], folder)
        study_s = timed(["run", "points", "--runs-dir", "study", *sweep], folder)
        (study,) = (folder / "study").glob("2*")
        times = compute_s(study)
        n_processors = len(os.sched_getaffinity(0))
        least_s = sum(times) / n_processors
        print(f"{asked.points} points of {1e3 * sum(times) / len(times):.0f} ms: {study_s:.2f} s")
        print(
            f"  wall / (compute / {n_processors} processors): {study_s / least_s:.2f} (wanted 1.3)"
        )
        resume_s = timed(["resume", study.name, "--runs-dir", "study"], folder)
        print(f"  resume of the finished study: {resume_s:.2f} s (wanted 2)")
        singles = [
            timed(["run", "points", "--runs-dir", "single", "--set", f"problem.seed={k}"], folder)
            for k in range(asked.single)
        ]
        all_s = asked.points * sum(singles) / len(singles)
        print(f"  single runs, {len(singles)} measured: {all_s:.0f} s", end="")
        print(f", {all_s / study_s:.1f} times as long (wanted 20)")


if __name__ == "__main__":
    main()
