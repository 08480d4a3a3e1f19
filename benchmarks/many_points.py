"""What a point of a study costs that does nothing: time, memory of the driver, and disk.

    python benchmarks/many_points.py [--points 100000] [--few 1000]

Both studies run in turn. The differences between them, divided by that of their points, are what
one more point costs, without what every study costs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path

PROGRAM = [sys.executable, "-m", "hybrid_parsl"]
FILES = {
    "apps/nothing.py": '''"""A stage that does nothing."""


def nothing(number):
    """Return the number."""
    return number
''',
    "apps/workflows.py": '''"""A workflow that does nothing."""

from parsl import python_app

from apps.nothing import nothing
from hybrid_parsl import labels

do_nothing = python_app(nothing, executors=[labels.ANALYSIS])


def points(experiment, *, number: int = 0):
    """Do nothing."""
    return do_nothing(number)
''',
    "experiments/points.toml": """name = "points"

[workflow]
name = "points"

[problem]
kind = "maxcut"
nodes = 4
""",
}


@dataclass(frozen=True)
class Cost:
    """What a study took: seconds, bytes of memory, bytes in files and on the disk, files."""

    seconds: float
    memory: float
    content: float
    disk: float
    files: float

    def of_a_point(self, few: Cost, n_more: int) -> Cost:
        """Return what each of `n_more` points cost that the study `few` lacks."""
        pairs = zip(astuple(self), astuple(few), strict=True)
        return Cost(*((ours - theirs) / n_more for ours, theirs in pairs))


def make_project(folder: Path) -> None:
    """Make a project whose workflow does nothing."""
    subprocess.run([*PROGRAM, "init", str(folder)], check=True, capture_output=True)
    for name, content in FILES.items():
        (folder / name).write_text(content)


def study_cost(project: Path, n_points: int) -> Cost:
    """Return what a study of so many points takes."""
    runs = project / f"runs-{n_points}"
    sweep = f"workflow.number={{range=[0,{n_points}]}}"
    command = [*PROGRAM, "--project", str(project), "run", "points", "--runs-dir", str(runs)]
    begun = time.perf_counter()
    process = subprocess.Popen([*command, "--no-cache", "--quiet", "--sweep", sweep], cwd=project)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if status:
        sys.exit(f"the study of {n_points} points failed")
    files = [each.lstat() for each in runs.rglob("*")]
    content, disk = sum(each.st_size for each in files), 512 * sum(each.st_blocks for each in files)
    return Cost(seconds, 1024 * usage.ru_maxrss, content, disk, len(files))


def main() -> None:
    """Print what a point costs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=1000, help="points of the study to compare with")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        project = Path(name) / "project"
        make_project(project)
        study_cost(project, 2)  # reads the package from the disk
        few, many = (study_cost(project, number) for number in (asked.few, asked.points))
    one = many.of_a_point(few, asked.points - asked.few)
    print(f"{asked.points} points that do nothing: {many.seconds:.1f} s")
    print(f"  points/s: {asked.points / many.seconds:.0f} (wanted 1000), ", end="")
    print(f"{1 / one.seconds:.0f} besides the start and the end")
    print(f"  memory of the driver: {many.memory / 1e6:.0f} MB, ", end="")
    print(f"{one.memory / 1024:.1f} KiB a point (wanted 2)")
    print(f"  record: {one.content / 1024:.2f} KiB a point (wanted 1), ", end="")
    print(f"{one.disk / 1024:.1f} KiB on the disk, {one.files:.2f} files and folders")


if __name__ == "__main__":
    main()
