"""The user's own Python files on their way to processes that do not see them."""

from __future__ import annotations

import ast
import importlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler

from hybrid_parsl import own_code
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Experiment
from hybrid_parsl.own_code import OwnCode, class_fingerprint, find_own_code
from hybrid_parsl.problems.registry import embed_code
from hybrid_parsl.project import Project

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


def write(folder: Path, **files: str) -> None:
    """Write files into a project; their names have two underscores for each slash."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


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


@pytest.mark.usefixtures("thorough")
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


# ---- the package apps of a project


def test_what_a_package_of_apps_imports_from_itself_comes_with_it(folder: Path) -> None:
    write(folder, apps__stage="from apps.pack.inner import part\n", apps__pack__kernel="K = 1\n")
    write(folder, apps__pack__inner__part="from ... import near\nfrom ..other import V\n")
    write(folder, apps__pack__other="V = 1\n", apps__near="", apps__unused="")
    (folder / "apps/pack/__init__.py").write_text("from .kernel import K\n")
    found = ["near", "pack/__init__", "pack/inner/part", "pack/kernel", "pack/other", "stage"]
    code = find_own_code(["apps.stage"], [folder])
    assert names(code) == [f"apps/{name}.py" for name in found]


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ('importlib.import_module("apps.near")', ["near"]),
        ('import_module(".other", __package__)', ["pack/other"]),
        ('__import__("apps.pack.other")', ["pack/other"]),
        ('import_module(name); import_module(); import_module(3); find("apps.near")', []),
    ],
)
def test_a_module_that_is_imported_by_a_call_comes_too(
    folder: Path, call: str, found: list[str]
) -> None:
    write(folder, apps__pack__stage=f"def stage():\n    {call}\n")
    write(folder, apps__near="", apps__pack__other="")
    code = find_own_code(["apps.pack.stage"], [folder])
    assert names(code) == sorted(f"apps/{name}.py" for name in [*found, "pack/stage"])


def test_what_other_modules_of_a_project_import_from_apps_comes_with_them(folder: Path) -> None:
    write(folder, apps__stage="def stage():\n    import own_helper\n", apps__unused="")
    write(folder, own_helper="from apps.constants import C\n", apps__constants="C = 1\n")
    helper = ["apps/constants.py", "own_helper.py"]
    assert names(find_own_code(["own_helper"], [folder])) == helper
    code = find_own_code(["apps.stage"], [folder])
    assert names(code) == ["apps/constants.py", "apps/stage.py", "own_helper.py"]
    assert code.reached_from("own_helper").files == code.files


def test_a_package_comes_before_a_module_of_its_name_as_in_python(folder: Path) -> None:
    write(folder, apps__both="V = 0\n", apps__both__part="")
    (folder / "apps/both/__init__.py").write_text("V = 1\n")
    assert names(find_own_code(["apps.both"], [folder])) == ["apps/both/__init__.py"]


# ---- what lies elsewhere


def test_folders_behind_links_belong_to_a_package(folder: Path) -> None:
    write(folder, linked__module="V = 1\n")
    (folder / "own_pack/sub").symlink_to("../linked")
    (folder / "own_pack/again").symlink_to(".")
    (folder / "own_pack/above").symlink_to("..")
    found = ("__init__", "other", "part", "sub/module")
    code = find_own_code(["own_pack"], [folder])
    assert names(code) == [f"own_pack/{name}.py" for name in found]


def test_files_that_are_neither_the_users_nor_installed_are_known_and_not_carried(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library = tmp_path_factory.mktemp("library")
    sys.path.append(str(library))
    write(folder, own_stage="import own_library, own_second\n", own_alone="V = 1\n")
    write(library, own_library="import own_base\n", own_base="V = 1\n")
    before = find_own_code(["own_stage", "own_alone"], [folder])
    assert names(before) == ["own_alone.py", "own_second.py", "own_stage.py"]
    assert [name for name, _ in before.elsewhere] == ["own_base", "own_library"]
    assert before.reached_from("own_stage") is before
    assert before.reached_from("own_alone").elsewhere == ()
    assert find_own_code(["own_base"], [folder]).fingerprint != ""
    write(library, own_base="V = 2\n")
    after = find_own_code(["own_stage", "own_alone"], [folder])
    assert after.fingerprint != before.fingerprint
    assert pickle.loads(pickle.dumps(after)).fingerprint == after.fingerprint


def test_files_elsewhere_may_be_of_any_size(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path_factory.mktemp("library")
    sys.path.append(str(library))
    write(folder, own_stage="import own_library\n")
    write(library, own_library="V = 1\n" * 100)
    monkeypatch.setattr(own_code, "MOST_BYTES", 100)
    assert names(find_own_code(["own_stage"], [folder])) == ["own_stage.py"]


# ---- classes


@pytest.fixture
def models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module of a project with a class whose base needs further modules."""
    monkeypatch.syspath_prepend(folder)
    write(folder, own_model="from own_base import Base\nclass Model(Base): ...\n", own_physics="")
    write(folder, own_base="class Base:\n    def energy(self):\n        import own_physics\n")
    class_fingerprint.cache_clear()
    return importlib.import_module("own_model")


@pytest.mark.parametrize("edited", ["own_model", "own_base", "own_physics"])
def test_a_class_is_what_it_and_its_bases_import(folder: Path, models: Any, edited: str) -> None:
    before = class_fingerprint(models.Model)
    write(folder, own_second="V = 3\n")
    class_fingerprint.cache_clear()
    assert class_fingerprint(models.Model) == before
    write(folder, **{edited: "V = 4\n"})
    class_fingerprint.cache_clear()
    assert class_fingerprint(models.Model) != before


def test_a_class_of_apps_is_found_in_the_project_that_is_loaded(folder: Path) -> None:
    write(folder, apps__workflows="from apps.model import Model\n", apps__shared="V = 1\n")
    write(folder, apps__model="from apps.shared import V\nclass Model: ...\n")
    before = class_fingerprint(Project(folder).workflows().Model)
    write(folder, apps__shared="V = 2\n")
    after = class_fingerprint(Project(folder).workflows().Model)
    assert "" != before != after


def test_the_code_of_installed_classes_is_not_the_users() -> None:
    for each in (Experiment, QuantumCircuit, Path, int):
        assert class_fingerprint(each) == ""
