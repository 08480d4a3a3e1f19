"""The whole way of the data: search, circuit, analysis, and what is left on the disk."""

from __future__ import annotations

import json
import math
import stat
import tomllib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from command import ROOT, Command
from services import require

from hybrid_parsl.experiment_file import read_experiment
from hybrid_parsl.stages.analysis import analyse
from hybrid_parsl.stages.quantum import sample
from hybrid_parsl.stages.search import search

SMALL = ["--set", "problem.nodes=6", "--set", "ansatz.layers=2", "--set", "search.starts=6"]
LIGHT = ["--set", "quantum.shots=500", "--set", "analysis.landscape=8"]


@pytest.fixture(scope="module")
def done(site, tmp_path_factory):
    """Return a run of a small MaxCut on two nodes, as it ended."""
    run = Command(site, tmp_path_factory.mktemp("runs"))
    nodes = ["--set", "resources={num_nodes=2, ranks_per_node=1}"]
    done = run("maxcut", *SMALL, *LIGHT, *nodes)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def document(done):
    """Return the results of that run."""
    folder = Path(done.stdout.rstrip().rpartition("folder")[2].strip())
    return json.loads((folder / "results.json").read_text())


@pytest.mark.everywhere
def test_a_run_in_a_pipe_tells_how_it_goes_in_plain_lines(done):
    words = ["search: started", "quantum: finished", "best energy", "ratio to optimum", "folder"]
    for text in words:
        assert text in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.everywhere
def test_maxcut_leaves_a_complete_folder(document, site):
    folder = Path(document["run"]["folder"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert document["run"]["folder"] == str(folder)
    assert document["run"]["status"] == "completed"
    assert document["quantum"]["shots"] == sum(document["quantum"]["counts"].values()) == 500
    assert abs(document["analysis"]["deviation"]) < 5
    assert document["analysis"]["ratio"] <= 1
    page = (folder / "report.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    assert page.count("<svg") >= 4
    for stage in ("search", "quantum", "analysis"):
        assert (folder / "tasks" / stage / "stderr.log").exists()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == [
        "run started",
        *["stage started", "stage finished"] * 3,
        "run ended",
    ]
    assert tomllib.loads((folder / "experiment.toml").read_text()) == document["experiment"]
    assert json.loads((folder / "site.json").read_text())["name"] == Path(site).stem
    assert "qiskit" in json.loads((folder / "versions.json").read_text())


@pytest.mark.usefixtures("thorough")
@pytest.mark.everywhere
def test_the_resolved_experiment_gives_the_same_in_one_plain_process(document):
    experiment = read_experiment(Path(document["run"]["folder"]) / "experiment.toml")
    found = search(experiment)
    measured = sample(experiment, found)
    analysed = analyse(experiment, found, measured)
    assert document["search"]["execution"]["n_ranks"] == 2
    assert found.execution.n_ranks == 1
    for name, result in (("search", found), ("quantum", measured), ("analysis", analysed)):
        here = json.loads(result.model_dump_json(exclude={"figures", "execution"}))
        assert {**here, "execution": document[name]["execution"]} == document[name]
    for name, svg in analysed.figures.items():
        figure = Path(document["run"]["folder"]) / "figures" / f"{name}.svg"
        assert figure.read_text() == svg


def test_bell_has_the_angles_of_the_original_design():
    found = search(read_experiment(ROOT / "experiments" / "bell.toml"))
    expected = []
    for rank in (0, 1):
        np.random.seed(rank)
        expected.append(np.random.random() * math.pi)
    assert found.parameters == expected
    assert found.energy == pytest.approx(math.cos(expected[0]), abs=1e-12)


@pytest.mark.usefixtures("thorough")
def test_the_stages_one_after_the_other_without_gradients():
    overrides = ["search.method=cobyla", "search.starts=8", "search.iterations=60"]
    lighter = ["ansatz.layers=1", "analysis.landscape=8"]
    experiment = read_experiment(ROOT / "experiments" / "ising.toml", overrides + lighter)
    found = search(experiment)
    assert found.method == "cobyla"
    assert found.energy == min(found.energies)
    analysed = analyse(experiment, found, sample(experiment, found))
    assert analysed.ratio > 0.5
    assert list(analysed.figures) == ["search", "landscape", "distribution", "circuit"]


def test_dry_run_runs_nothing(run):
    done = run("maxcut", *SMALL, "--dry-run")
    assert done.returncode == 0
    assert "nodes = 6" in done.stdout
    assert not run.runs.exists()


TFIM = """
import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from hybrid_parsl.problems import Problem


class TFIM(Problem):
    def circuit(self, parameters):
        circuit = QuantumCircuit(3)
        circuit.h(range(3))
        circuit.rzz(parameters[0], 0, 1)
        circuit.rzz(parameters[0], 1, 2)
        circuit.rx(parameters[1], range(3))
        return circuit

    def observable(self):
        return SparsePauliOp(["ZZI", "IZZ", "XII", "IXI", "IIX"], [-1.0] * 5)

    def bounds(self, layers):
        return np.array([[0, np.pi]] * 2)
"""


def test_a_cost_that_is_not_diagonal(run, tmp_path):
    (tmp_path / "chain.py").write_text(TFIM)
    experiment = tmp_path / "tfim.toml"
    experiment.write_text(
        'name = "tfim"\n[problem]\nkind = "chain:TFIM"\n'
        '[search]\nmethod = "SLSQP"\nstarts = 2\n[quantum]\nprecision = 0.02\n'
    )
    done = run(str(experiment))
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.rstrip().rpartition("folder")[2].strip())
    document = json.loads((folder / "results.json").read_text())
    quantum, analysis = document["quantum"], document["analysis"]
    assert (quantum["counts"], quantum["shots"], quantum["n_bases"]) == ({}, 5000, 2)
    assert quantum["expectation"] == quantum["energy"] == analysis["energy"]
    assert 0 < quantum["standard_error"] == analysis["standard_error"] < 5 * 0.02
    assert abs(analysis["deviation"]) < 5
    assert (analysis["top"], analysis["landscape"]) == ([], None)
    assert "Measured energy" in (folder / "report.html").read_text()


def test_a_run_with_the_noise_of_a_device(run):
    require(
        "qiskit_ibm_runtime", "hybrid-parsl[ibm]", available=bool(find_spec("qiskit_ibm_runtime"))
    )
    noisy = ["--set", "quantum.backend=fake:fez", "--set", "problem.nodes=4"]
    done = run("maxcut", *SMALL, *LIGHT, *noisy, "--set", "resources.num_ranks=1")
    assert done.returncode == 0, done.stderr
    (path,) = run.runs.glob("*/results.json")
    quantum = json.loads(path.read_text())["quantum"]
    assert quantum["backend"].startswith("fake:fez (")
    assert len(set(quantum["transpiled"]["physical_qubits"])) == 4
    assert quantum["transpiled"]["two_qubit_gates"] > 0
    assert 1e-7 < quantum["transpiled"]["duration_s"] < 1e-3
