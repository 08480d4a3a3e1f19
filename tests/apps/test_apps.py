"""What apps/ declares, and the contract: nothing of it crosses the wire."""

from __future__ import annotations

import importlib.util
import inspect
import io
import pickle
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import parsl
import pytest
from waiting import PATIENCE_S

from hybrid_parsl import identity, labels
from hybrid_parsl.engine import psij_executor
from hybrid_parsl.engine.jobs.registry import JobEnd
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.session import Session
from hybrid_parsl.engine.workflow_calls import CallRecorder
from hybrid_parsl.experiment import Experiment
from hybrid_parsl.project import Project
from hybrid_parsl.results import Analysis, Circuit, Execution, Sample, SearchResult
from hybrid_parsl.stage_function import undecorated
from hybrid_parsl.stages import analysis, quantum, search
from hybrid_parsl.tasks.folder import TaskFolder
from hybrid_parsl.tasks.serialization import encode_frame, read_frame, write_frame

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).parents[2]
OURS = {"hybrid_parsl", "numpy", "pydantic", "pydantic_core"}
STAGES = {"search": search.search, "quantum": quantum.sample, "analysis": analysis.analyse}
HEADER_BYTES = 48

EXECUTION = Execution(duration_s=0.5, n_ranks=2, hosts=["here"])
RESULTS = {
    "search": SearchResult(
        parameters=[0.5, 1.5],
        energy=-1.0,
        method="draw",
        best_start=0,
        energies=[-1.0],
        trace=[-1.0],
        n_evaluations=1,
        execution=EXECUTION,
    ),
    "quantum": Sample(
        counts={"00": 3, "11": 1},
        shots=4,
        energy=1.0,
        standard_error=0.0,
        backend="aer",
        circuit=Circuit(qasm3="", n_qubits=2, depth=1, n_gates=1, sha256="ab"),
        execution=EXECUTION,
    ),
    "analysis": Analysis(
        energy=1.0,
        standard_error=0.0,
        optimum=-1.0,
        worst=1.0,
        ratio=0.0,
        best_ratio=0.0,
        probability_of_optimum=0.0,
        exact_energy=1.0,
        deviation=0.0,
        top=[],
        landscape=None,
        figures={},
        execution=EXECUTION,
    ),
}


class _Reader(pickle.Unpickler):
    """Notes the module of everything that a pickle names."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(io.BytesIO(payload))
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.modules.add(module)
        return super().find_class(module, name)


def modules_in(frame: bytes) -> set[str]:
    """Return the modules that the value in `frame` needs on the other side."""
    reader = _Reader(frame[HEADER_BYTES:])
    reader.load()
    return reader.modules


def foreign(frame: bytes) -> set[str]:
    """Return those of them that a remote process need not have."""
    roots = {module: module.partition(".")[0] for module in modules_in(frame)}
    return {m for m, root in roots.items() if root not in OURS | sys.stdlib_module_names}


class FinishingBackend:
    """A backend whose jobs end at once, with the results that the stages would give."""

    def __init__(self, name: str, work_directory: Path, polling_interval_s: float) -> None:
        del name, work_directory, polling_interval_s

    def adopt(self, spec: Any, on_end: Callable[[JobEnd], None], record: Path) -> None:
        """Know of no earlier driver."""

    def submit(self, spec: Any, on_end: Callable[[JobEnd], None], record: Path) -> Any:
        del record
        folder = TaskFolder(Path(spec.arguments[-1]))
        write_frame(folder.result, RESULTS[folder.path.name])
        on_end(JobEnd("1", "COMPLETED", 0, "", timed_out=False))
        return SimpleNamespace(job_id="1")

    def close(self, *, leave_jobs: bool = False) -> None:
        """End nothing."""


@pytest.fixture
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The frame that the executor writes for each stage of the pipeline."""
    monkeypatch.setattr(psij_executor, "JobBackend", FinishingBackend)
    monkeypatch.syspath_prepend(str(tmp_path))
    executors = [PsiJExecutor(label, tmp_path / "tasks") for label in labels.ALL]
    config = parsl.Config(executors=executors, run_dir=str(tmp_path / "parsl"), strategy="none")
    table = {
        "name": "x",
        "problem": {"kind": "maxcut", "edges": [[0, 1, 0.5], [1, 2, 1.5]]},
        "resources": {"num_nodes": 2, "num_ranks": 3},
    }
    experiment = Experiment.model_validate(table)
    project = Project(CHECKOUT)
    with Session(config, "test") as session:
        recorder = CallRecorder(
            session.begin, project.code_of, experiment.resources_of_call, session.join
        )
        with recorder.installed():
            last = project.workflows().pipeline(experiment)
            assert last.result(timeout=PATIENCE_S) == RESULTS["analysis"]
    assert [call.name for call in recorder.calls()] == list(STAGES)
    return {name: (tmp_path / "tasks" / name / "request.frame").read_bytes() for name in STAGES}


def test_what_travels_names_no_app_no_site_and_no_parsl(requests: dict[str, bytes]) -> None:
    assert [foreign(frame) for frame in requests.values()] == [set()] * len(STAGES)
    for name, frame in requests.items():
        assert f"{STAGES[name].__module__}:{STAGES[name].__name__}".encode() in frame
        for word in (b"apps.", b"site_configs", b"run.py", b"parsl.app", b"dill"):
            assert word not in frame


def test_what_travels_is_the_stage_by_name_and_the_results_before_it(
    requests: dict[str, bytes], tmp_path: Path
) -> None:
    found = {name: read_frame(tmp_path / "tasks" / name / "request.frame") for name in requests}
    for name, request in found.items():
        assert request.function.function is STAGES[name]
        assert not request.function.code.files
        assert request.identity == identity.current()
        assert request.keywords == {}
        assert isinstance(request.arguments[0], Experiment)
        assert len(requests[name]) < 20_000
    searched, sampled = RESULTS["search"], RESULTS["quantum"]
    assert found["search"].arguments[1:] == ()
    assert found["quantum"].arguments[1:] == (searched,)
    assert found["analysis"].arguments[1:] == (searched, sampled)


def test_the_contract_notices_what_breaks_it(tmp_path: Path) -> None:
    path = tmp_path / "apps_like.py"
    path.write_text("def stage(x):\n    return x\n")
    spec = importlib.util.spec_from_file_location("apps_like", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["apps_like"] = module
    spec.loader.exec_module(module)
    try:
        assert foreign(encode_frame(module.stage)) == {"apps_like"}
    finally:
        del sys.modules["apps_like"]
    assert foreign(encode_frame(STAGES["search"])) == set()
    assert "parsl.app.errors" in foreign(encode_frame(parsl.app.errors.RemoteExceptionWrapper))
    assert any(name.startswith("dill") for name in foreign(encode_frame(lambda: 1)))


# ---- what is declared


@pytest.fixture
def workflows() -> ModuleType:
    return Project(CHECKOUT).workflows()


@pytest.mark.parametrize(
    ("name", "stage", "label"),
    [
        ("search", search.search, "mpi"),
        ("sample", quantum.sample, "quantum"),
        ("analyse", analysis.analyse, "analysis"),
    ],
)
def test_an_app_is_a_stage_on_a_label(
    workflows: ModuleType, name: str, stage: object, label: str
) -> None:
    app = getattr(workflows, name)
    assert undecorated(app.func) is stage
    assert app.executors == [label]


def test_workers_are_never_decorated_in_their_own_module() -> None:
    for function in STAGES.values():
        assert inspect.isfunction(function)
        assert getattr(sys.modules[function.__module__], function.__name__) is function
        assert "parsl" not in {
            name.partition(".")[0] for name in vars(sys.modules[function.__module__])
        }
