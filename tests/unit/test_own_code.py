"""The user's own Python files on their way to processes that do not see them."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler

from hybrid_parsl import own_code
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Experiment
from hybrid_parsl.own_code import OwnCode, find_own_code
from hybrid_parsl.problems.registry import embed_code

PROVIDE = """
import pickle, sys
code = pickle.loads(sys.stdin.buffer.read())
code.provide()
import own_first
print(own_first.value(), own_first.__file__)
"""
BACKEND = """
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from own_second import VALUE
from hybrid_parsl.quantum import BackendOptions, QuantumBackend

class Exact(QuantumBackend):
    class Options(BackendOptions):
        offset: int

    def sampler(self):
        return StatevectorSampler(seed=self.settings.seed + self.options.offset + VALUE)

    def estimator(self):
        return StatevectorEstimator()
"""
MEASURE = """
import pickle, sys
from qiskit import QuantumCircuit
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.stages.quantum import measure
experiment = pickle.loads(sys.stdin.buffer.read())
experiment.own_code.provide()
circuit = QuantumCircuit(1)
circuit.h(0)
print(measure(circuit, open_backend(experiment.quantum)))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of modules; what the test imports or adds to sys.path is undone."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr(own_code, "_provided", {})
    (tmp_path / "own_first.py").write_text(
        "import math, numpy\n"
        "def value():\n    from own_second import VALUE\n    return VALUE + own_package()\n"
        "def own_package():\n    import own_pack.part as part\n    return part.VALUE\n"
    )
    (tmp_path / "own_second.py").write_text("VALUE = 1\n")
    (tmp_path / "own_pack").mkdir()
    (tmp_path / "own_pack" / "__init__.py").write_text("from .other import VALUE\n")
    (tmp_path / "own_pack" / "part.py").write_text("from own_pack.other import VALUE\n")
    (tmp_path / "own_pack" / "other.py").write_text("VALUE = 40\n")
    (tmp_path / "unrelated.py").write_text("raise RuntimeError\n")
    return tmp_path


def names(code: OwnCode) -> list[str]:
    return [file.name for file in code.files]


def elsewhere(code: OwnCode) -> str:
    """Return what a process prints that gets the code."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROVIDE],
        input=pickle.dumps(code),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def test_a_module_comes_with_what_it_imports_from_the_same_places(folder: Path) -> None:
    code = find_own_code(["own_first"], [folder])
    package = [f"own_pack/{name}.py" for name in ("__init__", "other", "part")]
    assert names(code) == ["own_first.py", *package, "own_second.py"]
    assert code.folders == [str(folder)]
    assert names(code.reached_from("own_pack.part")) == package
    assert names(code.reached_from("json")) == []


@pytest.mark.parametrize("module", ["json", "numpy", "hybrid_parsl.problems.bell", "no_such", ""])
def test_what_is_installed_is_not_carried(folder: Path, module: str) -> None:
    assert find_own_code([module], [folder]) == OwnCode()
    assert names(find_own_code([module], [folder])) == []


def test_files_on_pythonpath_are_the_users(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(str(folder))
    assert "own_second.py" in names(find_own_code(["own_second"], []))


def test_a_process_that_sees_the_files_imports_them(folder: Path) -> None:
    code = find_own_code(["own_first"], [folder])
    assert elsewhere(code) == f"41 {folder}/own_first.py"


def test_a_process_that_sees_no_file_or_others_gets_copies(folder: Path) -> None:
    code = find_own_code(["own_first"], [folder])
    (folder / "own_second.py").write_text("VALUE = 2\n")
    value, file = elsewhere(code).split()
    assert value == "41"
    assert not file.startswith(str(folder))
    assert not Path(file).parent.exists()  # removed with the process


def test_modules_of_earlier_code_are_forgotten(folder: Path) -> None:
    find_own_code(["own_second"], [folder]).provide()
    import own_second  # type: ignore[import-not-found]

    assert own_second.VALUE == 1
    (folder / "own_second.py").write_text("VALUE = 20\n")
    find_own_code(["own_second"], [folder]).provide()
    import own_second

    assert own_second.VALUE == 20


def test_the_fingerprint_is_that_of_all_files(folder: Path) -> None:
    before = find_own_code(["own_first"], [folder])
    (folder / "own_second.py").write_text("VALUE = 2\n")
    after = find_own_code(["own_first"], [folder])
    assert len(before.fingerprint) == 16
    assert before.fingerprint != after.fingerprint
    assert OwnCode().fingerprint == ""


def test_files_that_are_too_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_code, "MOST_BYTES", 20)
    with pytest.raises(ConfigurationError, match="too large to travel") as caught:
        find_own_code(["own_first"], [folder])
    assert "the largest own_first.py" in str(caught.value.found)


def test_an_experiment_carries_them_and_is_still_the_same(folder: Path) -> None:
    asked = Experiment.model_validate({"name": "x", "problem": {"kind": "bell"}})
    carrying = asked.with_own_code(find_own_code(["own_first"], [folder]))
    assert carrying == asked
    assert carrying.model_dump() == asked.model_dump()
    assert pickle.loads(pickle.dumps(carrying)).own_code.files == carrying.own_code.files
    assert asked.own_code.files == ()


def test_a_backend_travels_with_its_options(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "own_backend.py").write_text(BACKEND)
    quantum = {"backend": "own_backend:Exact", "options": {"offset": 4}, "shots": 100, "seed": 2}
    table = {"name": "x", "problem": {"kind": "bell"}, "quantum": quantum}
    experiment = embed_code(Experiment.model_validate(table), [folder])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        input=pickle.dumps(experiment),
        capture_output=True,
        check=True,
    )
    circuit = QuantumCircuit(1)
    circuit.h(0)
    measured = circuit.measure_all(inplace=False)
    counts = (
        StatevectorSampler(seed=7).run([measured], shots=100).result()[0].data.meas.get_counts()
    )
    assert ast.literal_eval(done.stdout.decode()) == counts
