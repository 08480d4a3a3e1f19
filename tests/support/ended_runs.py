"""Folders of runs that have ended, made without running anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import tomli_w

from hybrid_parsl.crate.metadata import write_crate
from hybrid_parsl.records.run_directory import RunDirectory

if TYPE_CHECKING:
    from pathlib import Path

QASM = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
EXPERIMENT = {
    "name": "bell",
    "problem": {"kind": "bell"},
    "search": {"method": "draw", "starts": 1, "seed": 7},
}
TIMES = {"started": "2026-01-02T00:00:01.000Z", "finished": "2026-01-02T00:00:02.000Z"}
WORKFLOW = (
    b"from apps.search import search\n\n\ndef pipeline(experiment):\n    search(experiment)\n"
)


_TYPES = {
    "hybrid_parsl.stages.search:search": "hybrid_parsl.results:SearchResult",
    "hybrid_parsl.stages.quantum:sample": "hybrid_parsl.results:Sample",
}


def task(result: dict[str, Any], *after: str, **more: Any) -> dict[str, Any]:
    """Return a task that has completed."""
    function = more.pop("function", "hybrid_parsl.stages.search:search")
    known = {"function": function, "label": "mpi", "after": list(after), "status": "completed"}
    known |= {"type": _TYPES.get(function, "builtins:dict")}
    return {**known, **TIMES, "duration_s": 1.0, "host": "node1", "result": result, **more}


def document(**more: Any) -> dict[str, Any]:
    """Return the results of a run with a search and a circuit."""
    sample = {
        "energy": -0.2,
        "standard_error": 0.03,
        "counts": {"00": 1},
        "backend": "fake:manila 0.41",
        "circuit": {"qasm3": QASM, "n_qubits": 2, "depth": 1, "n_gates": 1, "sha256": "0" * 64},
        "transpiled": {"calibrated": "2024-05-27T18:27:23+00:00"},
        "job_id": "d1234",
        "usage_s": 2.5,
    }
    run = {"id": "r", "name": "bell", "site": "slurm", "status": "completed", "exit_code": 0}
    return {
        "run": {**run, **TIMES, "folder": "/somewhere/r", "duration_s": 1.0},
        "experiment": EXPERIMENT,
        "versions": {"hybrid-parsl": "0.1.0+ab", "python": "3.12.1", "parsl": "2026.1"},
        "stages": [],
        "tasks": {
            "search": task({"energy": -0.15, "execution": {"n_ranks": 2}}, job="26862"),
            "quantum": task(sample, "search", function="hybrid_parsl.stages.quantum:sample"),
        },
        **more,
    }


def make_run(folder: Path, results: dict[str, Any] | None = None) -> RunDirectory:
    """Return a run that has ended, with its crate."""
    results = results or document()
    folder.mkdir(mode=0o700)
    directory = RunDirectory(folder.resolve())
    directory.write("experiment.toml", tomli_w.dumps(results["experiment"]))
    directory.write("code/apps/workflows.py", WORKFLOW)
    directory.write("code/apps/search.py", "search = None\n")
    directory.write("report.html", "<p>")
    directory.write("figures/search.svg", "<svg/>")
    directory.write("tasks/search/job.json", '{"job_id": "26862"}')
    directory.write("tasks/search/stdout.log", "")
    directory.write("tasks/search/result.frame", b"pickled")
    directory.write("tasks/.psij/26862.job", "#SBATCH --nodes=2\n")
    settings = {"image": "registry/image:1", "token": "secret", "walltime": None}
    directory.write_json(
        "site.json", {"name": "slurm", "file": "s.py", "project": "/p", "settings": settings}
    )
    directory.write_json("versions.json", results["versions"])
    directory.write_json("results.json", results)
    write_crate(directory, results)
    return directory


def entities(directory: RunDirectory) -> dict[str, dict[str, Any]]:
    """Return the entities of a run's crate by their identifiers."""
    graph = json.loads((directory.path / "ro-crate-metadata.json").read_text())["@graph"]
    return {each["@id"]: each for each in graph}
