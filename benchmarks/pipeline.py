"""What the workflow costs: the default run against the same three stages as a shell script.

    python benchmarks/pipeline.py [--rounds 5]

Both run in turn. The script calls mpiexec for the search and Python twice, for the quantum and
the analysis stage, and writes the same results and the same page. The second part compares
``run.py --help`` with ``python -c pass``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

SEARCH = """
import sys
from mpi4py import MPI
from pathlib import Path
from hybrid_parsl.experiment_file import read_experiment
from hybrid_parsl.mpi.team import close_team
from hybrid_parsl.stages.search import search
found = search(read_experiment(Path(sys.argv[1])))
close_team()
if found:
    Path("search.json").write_text(found.model_dump_json())
"""
QUANTUM = """
import sys
from pathlib import Path
from hybrid_parsl.experiment_file import read_experiment
from hybrid_parsl.results import SearchResult
from hybrid_parsl.stages.quantum import sample
found = SearchResult.model_validate_json(Path("search.json").read_text())
measured = sample(read_experiment(Path(sys.argv[1])), found)
Path("quantum.json").write_text(measured.model_dump_json())
"""
ANALYSIS = """
import json, sys
from pathlib import Path
from hybrid_parsl.experiment_file import read_experiment
from hybrid_parsl.report.page import render_page
from hybrid_parsl.results import Sample, SearchResult
from hybrid_parsl.stages.analysis import analyse
found = SearchResult.model_validate_json(Path("search.json").read_text())
measured = Sample.model_validate_json(Path("quantum.json").read_text())
experiment = read_experiment(Path(sys.argv[1]))
analysed = analyse(experiment, found, measured)
document = {"run": {"id": "bare"}, "experiment": experiment.model_dump(mode="json")}
document["search"] = found.model_dump(mode="json")
document["quantum"] = measured.model_dump(mode="json")
document["analysis"] = analysed.model_dump(mode="json", exclude={"figures"})
Path("results.json").write_text(json.dumps(document))
Path("report.html").write_text(render_page(document, analysed.figures))
"""
SCRIPT = """set -e
{bin}/mpiexec -n 2 {bin}/python search.py {experiment}
{bin}/python quantum.py {experiment}
{bin}/python analysis.py {experiment}
"""


def timed(command: list[str], folder: Path) -> float:
    """Return the seconds that `command` takes in `folder`."""
    begun = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - begun


def compare_with_script(n_rounds: int) -> None:
    """Print the times of the workflow and of the bare script."""
    experiment = ROOT / "experiments" / "maxcut.toml"
    workflow, bare = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stage, program in (("search", SEARCH), ("quantum", QUANTUM), ("analysis", ANALYSIS)):
            (folder / f"{stage}.py").write_text(program)
        (folder / "bare.sh").write_text(SCRIPT.format(bin=BIN, experiment=experiment))
        run = [sys.executable, str(ROOT / "run.py"), "--no-cache", "--runs-dir", "runs"]
        timed(run, folder)
        for _ in range(n_rounds):
            workflow.append(timed(run, folder))
            bare.append(timed(["bash", "bare.sh"], folder))
    differences = [ours - theirs for ours, theirs in zip(workflow, bare, strict=True)]
    print("the default experiment")
    print(f"run.py        {statistics.median(workflow):.2f} s")
    print(f"shell script  {statistics.median(bare):.2f} s")
    print(f"difference    {statistics.median(differences):+.2f} s (target at most +0.5 s)\n")


def compare_help(n_rounds: int) -> None:
    """Print the time of ``--help`` as a multiple of starting Python."""
    ratios = []
    for _ in range(n_rounds):
        ours = timed([sys.executable, str(ROOT / "run.py"), "--help"], ROOT)
        ratios.append(ours / timed([sys.executable, "-c", "pass"], ROOT))
    print(f"run.py --help / python -c pass: median {statistics.median(ratios):.1f}x (target 15x)")


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each")
    options = parser.parse_args()
    compare_with_script(options.rounds)
    compare_help(4 * options.rounds)


if __name__ == "__main__":
    main()
