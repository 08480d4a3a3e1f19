"""The same 200 points as a study, with Snakemake, and with Parsl alone.

    python benchmarks/study_peers.py [--points 200] [--rounds 3] [--environment DIR]

Each point is the same search of 80 to 100 ms with the kernels of this package, on one processor.
Snakemake has a rule for a point, one for the table, and ``--cores`` for the processors; as each of
its jobs is a program that imports the package again, it is also measured with as few jobs as there
are processors, each of which works through its share of the points. Parsl alone has a
``HighThroughputExecutor`` with a worker for each processor. All write the same table, which is
compared, and run in turn. ``DIR`` gets an environment of its own with Snakemake, made once; Parsl
is the one that this package uses.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import studies

if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRONMENT = Path.home() / ".cache" / "hybrid-parsl-benchmarks" / "snakemake"
N_PROCESSORS = len(os.sched_getaffinity(0))
POINT = """
import sys
from pathlib import Path


def energy(seed):
    from hybrid_parsl.experiment_file import read_experiment
    from hybrid_parsl.stages.search import search
    return search(read_experiment(Path("points.toml"), [f"problem.seed={seed}"])).energy

if __name__ == "__main__":
    output, *seeds = sys.argv[1:]
    Path(output).write_text("".join(f"{seed},{energy(seed)!r}\\n" for seed in seeds))
"""
SNAKEFILE = """
SHARES = [list(range(NUMBER, POINTS, JOBS)) for NUMBER in range(JOBS)]

rule table:
    input: expand("{job}.csv", job=range(JOBS))
    output: "table.csv"
    shell: "cat {input} > {output}"

rule point:
    output: "{job}.csv"
    params: seeds=lambda wildcards: SHARES[int(wildcards.job)]
    shell: "PYTHON point.py {output} {params.seeds}"
"""
PARSL = """
from pathlib import Path
import parsl
from parsl import Config, python_app
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider
from point import energy

provider = LocalProvider(init_blocks=1, max_blocks=1)
executor = HighThroughputExecutor(
    address="127.0.0.1", max_workers_per_node=N_PROCESSORS, provider=provider, encrypted=False
)
config = Config(executors=[executor], strategy="none", initialize_logging=False)
if __name__ == "__main__":
    with parsl.load(config):
        app = python_app(energy)
        found = [app(seed) for seed in range(POINTS)]
        rows = "".join(f"{seed},{each.result()!r}\\n" for seed, each in enumerate(found))
        Path("table.csv").write_text(rows)
"""


def snakemake(folder: Path) -> Path:
    """Return the program, installed in an environment in `folder`."""
    program = folder / "bin" / "snakemake"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [folder / "bin" / "pip", "install", "--quiet", "snakemake>=9,<10"]
        subprocess.run(install, check=True)
    return program


def energies(table: str) -> dict[int, float]:
    """Return the energy of each seed in a table."""
    rows = (line.split(",") for line in table.splitlines())
    return {int(seed): float(energy) for seed, energy in rows}


def with_program(
    command: list[str], files: dict[str, str], values: dict[str, object]
) -> tuple[float, dict[int, float]]:
    """Return the seconds of a command in a new folder with these files, and the energies."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in files.items():
            filled = content
            for key, value in values.items():
                filled = filled.replace(key, str(value))
            (folder / file).write_text(filled)
        path = os.pathsep.join([str(folder), *filter(None, sys.path)])
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {
            **os.environ,
            "PATH": programs,  # Parsl's own programs
            "PYTHONPATH": path,
            "OMP_NUM_THREADS": "1",
        }
        begun = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        taken_s = time.perf_counter() - begun
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stderr}")
        return taken_s, energies((folder / "table.csv").read_text())


def with_study(project: Path, n_points: int) -> tuple[float, dict[int, float]]:
    """Return the seconds of a study, and the energies."""
    with tempfile.TemporaryDirectory() as name:
        sweep = ["--sweep", f"problem.seed={{range=[0,{n_points}]}}"]
        taken_s = studies.timed(["run", "points", "--runs-dir", name, *sweep], project)
        (study,) = Path(name).glob("2*")
        tasks = json.loads((study / "results.json").read_text())["tasks"]
    ordered = sorted(tasks.items())
    return taken_s, {seed: task["result"]["energy"] for seed, (_, task) in enumerate(ordered)}


def main() -> None:
    """Run all in turn, and print their times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--few-rounds", type=int, default=1, help="of Snakemake, a job a point")
    parser.add_argument("--environment", type=Path, default=ENVIRONMENT, metavar="DIR")
    asked = parser.parse_args()
    program = snakemake(asked.environment.absolute())
    content = studies.EXPERIMENT.format(starts=8).replace('[workflow]\nname = "searches"\n', "")
    files = {"points.toml": content, "point.py": POINT}
    fixed = {"POINTS": asked.points, "N_PROCESSORS": N_PROCESSORS, "PYTHON": sys.executable}

    def of_snakemake(n_jobs: int) -> tuple[float, dict[int, float]]:
        command = [str(program), "--cores", str(N_PROCESSORS), "--quiet", "all"]
        return with_program(command, {**files, "Snakefile": SNAKEFILE}, {**fixed, "JOBS": n_jobs})

    def of_parsl() -> tuple[float, dict[int, float]]:
        return with_program([sys.executable, "main.py"], {**files, "main.py": PARSL}, fixed)

    with tempfile.TemporaryDirectory() as name:
        project = Path(name) / "project"
        studies.make_project(project, 8)
        ways: dict[str, tuple[int, Callable[[], tuple[float, dict[int, float]]]]] = {
            "study": (asked.rounds, lambda: with_study(project, asked.points)),
            "Parsl alone": (asked.rounds, of_parsl),
            "Snakemake, a job a processor": (asked.rounds, lambda: of_snakemake(N_PROCESSORS)),
            "Snakemake, a job a point": (asked.few_rounds, lambda: of_snakemake(asked.points)),
        }
        _, expected = with_study(project, asked.points)  # also compiles the kernels
        times: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(asked.rounds):
            for way, (n_rounds, measure) in ways.items():
                if number < n_rounds:
                    taken_s, found = measure()
                    times[way].append(taken_s)
                    print(f"{way}: {taken_s:.1f} s", flush=True)
                    if found != expected:
                        sys.exit(f"{way} has other energies")
    study_s = statistics.median(times["study"])
    print(f"{asked.points} points, {N_PROCESSORS} processors")
    for way, measured in times.items():
        if not measured:
            continue
        middle = statistics.median(measured)
        print(f"  {way:30s} {middle:6.1f} s   {middle / study_s:.2f} of the study", flush=True)


if __name__ == "__main__":
    main()
