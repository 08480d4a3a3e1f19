"""Every file that is read, with valid samples of it and what has to hold of what was read."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
import tomllib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter

from hybrid_parsl.cli.summary import summary_rows
from hybrid_parsl.engine.batch_site import BatchSettings
from hybrid_parsl.engine.jobs.kube_context import KubeContext
from hybrid_parsl.engine.jobs.record import JobRecord
from hybrid_parsl.engine.site_settings import read_settings
from hybrid_parsl.errors import ConfigurationError, HybridParslError, ResultError
from hybrid_parsl.experiment_file import (
    parse_experiment,
    placed,
    read_experiment,
    read_table,
    sweep_of,
)
from hybrid_parsl.messages import escape_controls
from hybrid_parsl.optimize.journal import Journal
from hybrid_parsl.optimize.progress import SearchProgress
from hybrid_parsl.optimize.start import Start
from hybrid_parsl.problems.circuit_file import CircuitText, load_circuit, read_circuit_file
from hybrid_parsl.problems.registry import build_problem, embed_files
from hybrid_parsl.records.models import SiteRecord, Versions
from hybrid_parsl.records.run_directory import RunDirectory
from hybrid_parsl.records.run_lock import driver_of, run_lock
from hybrid_parsl.remote import functions
from hybrid_parsl.remote.examination import _compare, _Versions
from hybrid_parsl.remote.remote_run import RemoteRun
from hybrid_parsl.remote.request import Manifest, RunRequest, read_answer
from hybrid_parsl.report.history_page import render_history
from hybrid_parsl.report.inline_svg import inline_svg, is_picture
from hybrid_parsl.run_control import status_of
from hybrid_parsl.run_report import write_report
from hybrid_parsl.schedule import crontab
from hybrid_parsl.schedule.attempts import History
from hybrid_parsl.schedule.cron_expression import parse_cron
from hybrid_parsl.schedule.definition import Schedule, read_definition
from hybrid_parsl.schedule.environment import read_environment_file
from hybrid_parsl.study_points import read_points
from hybrid_parsl.tasks import failures
from hybrid_parsl.tasks.folder import TaskFolder
from hybrid_parsl.tasks.serialization import encode_frame, read_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

READERS: dict[str, Reader] = {}
RUN = "20260101T000000Z-bell-aaaaaa"
IDENTITY = "0.1.0+0123456789abcdef"
_ACCEPTED, _REFUSED, _FAILED = range(3)


@dataclass(frozen=True)
class Reader:
    """One kind of file.

    Attributes
    ----------
    samples
        Valid contents.
    read
        Called with an empty folder and a content; raises what a command would raise, and fails an
        assertion if it read something else than what is there.
    """

    samples: Sequence[bytes]
    read: Callable[[Path, bytes], None]


def reader(*samples: str | bytes | Any) -> Callable[[Callable[[Path, bytes], None]], None]:
    """Register a function as the reader of a kind of file."""

    def register(read: Callable[[Path, bytes], None]) -> None:
        contents = [
            each
            if isinstance(each, bytes)
            else each.encode()
            if isinstance(each, str)
            else json.dumps(each).encode()
            for each in samples
        ]
        READERS[read.__name__] = Reader(contents, read)

    return register


def put(path: Path, data: bytes) -> Path:
    """Write `data` to a file for its user alone, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    return path


@contextlib.contextmanager
def variable(name: str, value: object) -> Any:
    """Set an environment variable."""
    before = os.environ.get(name)
    os.environ[name] = str(value)
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


# ---- what the user writes

EXPERIMENT = {
    "name": "fuzzed",
    "problem": {"kind": "maxcut", "edges": [[0, 1, 1.5], [1, 2]], "offset": 1.0},
    "ansatz": {"layers": 2},
    "search": {"method": "cobyla", "starts": 8, "seed": 1, "tolerance": 1e-6},
    "quantum": {"backend": "aer", "shots": 64, "options": {"precision": "single"}},
    "analysis": {"top": 4},
    "resources": {"num_nodes": 1, "ranks_per_node": 2, "walltime_s": 60},
}


@reader(tomli_w.dumps(EXPERIMENT))
def experiment(folder: Path, data: bytes) -> None:
    found = read_experiment(put(folder / "experiment.toml", data))
    table = found.model_dump(mode="json", exclude_none=True)
    assert parse_experiment(table) == found


@reader(
    'name = "x"\n[sweep]\n"ansatz.layers" = [1, 2]\nproblem.seed = { range = [0, 5, 2] }\n'
    'exclude = [{ ansatz.layers = 1, problem.seed = [0, 2] }]\n[problem]\nkind = "maxcut"\n',
    'name = "x"\n[sweep]\ncombine = "zip"\nquantum.shots = { geomspace = [1, 100, 3] }\n'
    'quantum.seed.linspace = [1, 3, 3]\n[problem]\nkind = "bell"\n',
)
def sweep(folder: Path, data: bytes) -> None:
    table = read_table(put(folder / "experiment.toml", data))
    found = sweep_of(table)
    if found is None:
        return
    points = found.points()
    assert len({json.dumps(each, default=str) for each in points}) == len(points)
    for point in points[:3]:
        experiment = parse_experiment(placed(table, point))
        for key, value in point.items():
            asked: Any = experiment
            for part in key.split("."):
                asked = getattr(asked, part, None)
            assert asked is None or asked == value or hasattr(asked, "model_dump")
        assert experiment.sweep == found


@reader(
    json.dumps({"points": [{"values": {"ansatz.layers": 2}, "tables": {"ansatz": {"layers": 2}}}]})
)
def points(folder: Path, data: bytes) -> None:
    put(folder / RUN / "points.json", data)
    base = parse_experiment(EXPERIMENT)
    for point in read_points(RunDirectory(folder / RUN), base, lambda each: each):
        assert point.experiment.name


@reader(
    '[slurm]\naccount = "physics"\nnodes = 2\nwalltime = "1:30:00"\nmodules = ["a/1"]\n'
    'attributes = { qos = "debug" }\n[local]\n'
)
def sites(folder: Path, data: bytes) -> None:
    put(folder / "hybrid-parsl" / "sites.toml", data)
    with variable("XDG_CONFIG_HOME", folder):
        found = read_settings(BatchSettings, "slurm")
    assert BatchSettings.model_validate(found.model_dump(mode="json")) == found


@reader("# mine\nexport A=1\nTOKEN='a b'\nC=\"\nD=a=b\n")
def environment(folder: Path, data: bytes) -> None:
    for name, value in read_environment_file(put(folder / "env", data)).items():
        assert "\0" not in name + value
        assert "=" not in name


def embedded(kind: str, key: str, folder: Path, data: bytes, name: str) -> None:
    """Read an instance file; what was read has to be a valid problem that stays as it is."""
    put(folder / name, data)
    asked = parse_experiment({"name": "fuzzed", "problem": {"kind": kind, key: name}})
    found = embed_files(asked, folder)
    table = found.model_dump(mode="json", exclude_none=True)
    again = parse_experiment(tomllib.loads(tomli_w.dumps(table)))
    assert embed_files(again, folder) == again == found
    problem = build_problem(found.problem)
    assert problem.n_qubits >= 1
    assert build_problem(again.problem).n_qubits == problem.n_qubits


RUDY = "3 2\n1 2 2\n2 3 -1\n"
EDGES = "# a graph\n0 1 1.5\n1 2\n2 3 -2e-1\n"
DIMACS = "c a graph\np edge 3 2\ne 1 2\ne 2 3\n"
MATRIX_MARKET = "%%MatrixMarket matrix coordinate real symmetric\n3 3 2\n2 1 2.0\n3 2 -1.0\n"
NODE_LINK = {
    "directed": False,
    "multigraph": False,
    "graph": {},
    "nodes": [{"id": 0}, {"id": 1}, {"id": 2}],
    "links": [{"source": 0, "target": 1, "weight": 2.0}, {"source": 1, "target": 2}],
}
TABLE = "source,target,weight\n0,1,2\n1,2,-1\n"
QUBO = "1 -2 0\n0, 1, 3\n0; 0; -1\n"
QBSOLV = "c a qubo\np qubo 0 3 3 1\n0 0 1\n1 1 -1\n2 2 0.5\n0 1 -2\n"
TRIPLES = "3 3\n1 1 1\n1 2 -2\n3 3 1\n"
SUFFIXES = ("txt", "rudy", "mc", "col", "mtx", "csv", "json", "bq", "qubo", "npy")


@reader(RUDY, EDGES, DIMACS, MATRIX_MARKET, NODE_LINK, TABLE)
def graph(folder: Path, data: bytes) -> None:
    embedded("maxcut", "edges", folder, data, f"graph.{SUFFIXES[len(data) % len(SUFFIXES)]}")


@reader(QUBO, QBSOLV, TRIPLES, MATRIX_MARKET)
def qubo(folder: Path, data: bytes) -> None:
    embedded("ising", "qubo", folder, data, f"qubo.{SUFFIXES[len(data) % len(SUFFIXES)]}")


@reader([["ZZI", 1.0], ["IXY", -0.5]], "0.5 X0 Z3\n-1 I # constant\n", "IXZ 1\n2e-1, ZZZ\n")
def pauli(folder: Path, data: bytes) -> None:
    embedded("pauli", "observable", folder, data, "operator.txt")


FCIDUMP = """ &FCI NORB=2,NELEC=2,MS2=0,
  ORBSYM=1,1, ISYM=1,
 &END
 0.6757101548035163 1 1 1 1
 0.66458173 1 1 2 2
 1.8D-1 2 1 2 1
 0.69857372 2 2 2 2
 -1.256339 1 1 0 0
 -0.471896 2 2 0 0
 0.71996899 0 0 0 0
"""


@reader(FCIDUMP, FCIDUMP.replace(" &END", "/").replace("ORBSYM=1,1, ISYM=1,", ""))
def fcidump(folder: Path, data: bytes) -> None:
    embedded("molecule", "fcidump", folder, data, "h2.fcidump")


def circuit_samples() -> list[bytes]:
    """Return circuits in QPY and OpenQASM."""
    angle, circuit = Parameter("a"), QuantumCircuit(2)
    circuit.ry(angle, 0)
    circuit.cx(0, 1)
    circuit.rz(2 * angle + 0.1, 1)
    circuit.measure_all()
    file = io.BytesIO()
    qpy.dump(circuit, file)
    return [
        file.getvalue(),
        (
            b'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float a;\nqubit[2] q;\nry(a) q[0];\n'
            b"gate g(b) x { rz(b/2) x; }\ng(a) q[1];\nbit[2] c;\nc = measure q;\n"
        ),
        (
            b'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\nrzz(pi/3) q[0],q[1];\n'
            b"u3(0.1,0.2,0.3) q[0];\nmeasure q -> c;\n"
        ),
    ]


@reader(*circuit_samples())
def circuit(folder: Path, data: bytes) -> None:
    """Read in a process of its own, which may crash, as that which checks a file."""
    path = folder / "circuit"
    path.write_bytes(data)
    source = read_circuit_file(path)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        outcome = _FAILED
        with contextlib.suppress(BaseException):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where parsers and crashes print
            outcome = _read_circuit(source)
        os._exit(outcome)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == _REFUSED:
        raise ConfigurationError("cannot be read", str(path), "problem.circuit")
    assert os.WEXITSTATUS(status) == _ACCEPTED


def _read_circuit(source: CircuitText) -> int:
    """Return what became of a circuit; a panic of Qiskit's Rust code is a crash of the reader."""
    try:
        found = load_circuit(source)
    except ConfigurationError:
        return _REFUSED
    except BaseException as error:
        if type(error).__module__ == "pyo3_runtime":
            return _REFUSED
        raise
    return _FAILED if any(each.clbits for each in found.data) else _ACCEPTED


def numpy_samples() -> list[bytes]:
    """Return NumPy files: matrices, and what is none."""
    samples = []
    for array in (
        np.array([[1.0, -2.0], [0.0, 1.0]]),
        np.array([[1, 2], [3, 4]], dtype=">i2"),
        np.array([[1, None]], dtype=object),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.asfortranarray(np.eye(3, dtype="f2")),
        np.float64(1),
    ):
        buffer = io.BytesIO()
        np.save(buffer, array)
        samples.append(buffer.getvalue())
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, a=np.eye(2))
        samples.append(buffer.getvalue())
    return samples


@reader(*numpy_samples())
def numpy_file(folder: Path, data: bytes) -> None:
    embedded("ising", "qubo", folder, data, "matrix.npy")


# ---- what a run leaves

EXECUTION = {"duration_s": 1.5, "n_ranks": 2, "hosts": ["a", "b"]}
RESULTS = {
    "run": {
        "id": RUN,
        "name": "bell",
        "site": "local",
        "status": "completed",
        "started": "2026-01-01T00:00:00.000Z",
        "finished": "2026-01-01T00:00:09.000Z",
        "duration_s": 9.0,
        "resumed": ["2026-01-01T00:00:05.000Z"],
        "folder": "/runs",
    },
    "experiment": EXPERIMENT,
    "versions": {"hybrid-parsl": IDENTITY, "python": "3.11.7"},
    "stages": [
        {
            "name": "search",
            "status": "completed",
            "started": "2026-01-01T00:00:01.000Z",
            "finished": "2026-01-01T00:00:03.000Z",
            "duration_s": 2.0,
            "host": "a, b",
        }
    ],
    "tasks": {
        "analyse-2": {
            "status": "completed",
            "type": "hybrid_parsl.results:Analysis",
            "result": {"energy": -1.0, "ratio": 0.5, "top": [{"bitstring": "0", "energy": 1.0}]},
        },
        "spectrum": {
            "status": "completed",
            "type": "apps.spectrum:Spectrum",
            "result": {"gap": 0.5},
            "view": {
                "summary": [["gap", "0.5"]],
                "section": {"text": "levels", "head": ["level", "J"], "rows": [["0", "-1"]]},
            },
        },
    },
    "search": {
        "parameters": [0.1, 0.2],
        "energy": -1.5,
        "method": "cobyla",
        "best_start": 0,
        "energies": [-1.5, None],
        "trace": [-1.0, -1.5],
        "n_evaluations": 20,
        "execution": EXECUTION,
    },
    "quantum": {
        "counts": {"00": 30, "11": 34},
        "shots": 64,
        "energy": -1.4,
        "standard_error": 0.1,
        "backend": "aer 0.17",
        "circuit": {"qasm3": "x", "n_qubits": 2, "depth": 3, "n_gates": 4, "sha256": "0f"},
        "execution": EXECUTION,
    },
    "analysis": {
        "energy": -1.4,
        "standard_error": 0.1,
        "optimum": -2.0,
        "worst": 2.0,
        "ratio": 0.85,
        "best_ratio": 1.0,
        "probability_of_optimum": 0.5,
        "exact_energy": -1.5,
        "deviation": 1.0,
        "top": [{"bitstring": "11", "count": 34, "probability": 0.53, "energy": -2.0}],
        "landscape": {"gamma": [0.0, 1.0], "beta": [0.0, 1.0], "energy": [[0.0, 1.0], [1.0, 0.0]]},
        "execution": EXECUTION,
    },
    "error": {"type": "RankFailedError", "message": "rank 1\n  | boom"},
}
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'width="72pt" height="36pt" viewBox="0 0 72 36"><defs><path id="n1" d="M 0 0 L 1,2 z"/></defs>'
    '<g clip-path="url(#n1)" style="fill: #0072b2; stroke: none">'
    '<use xlink:href="#n1" transform="translate(1 2) scale(0.5 -0.5)"/>'
    '<text x="1" y="2">a &lt;b&gt;</text></g></svg>'
)


def run_folder(folder: Path) -> RunDirectory:
    """Return a run directory with its valid files."""
    path = folder / RUN
    put(path / "experiment.toml", tomli_w.dumps(EXPERIMENT).encode())
    put(path / "results.json", json.dumps(RESULTS).encode())
    put(path / "figures" / "search.svg", SVG.encode())
    return RunDirectory.own(path)


STUDY = {
    **{key: RESULTS[key] for key in ("run", "experiment", "versions", "stages")},
    "study": {
        "keys": ["ansatz.layers", "problem.seed"],
        "points": [
            {
                "name": str(number),
                "values": {"ansatz.layers": number // 2, "problem.seed": number % 2},
                "tasks": {"search": f"{number}.search"},
                "error": None,
            }
            for number in range(4)
        ],
    },
    "tasks": {
        f"{number}.search": {
            "status": "completed",
            "duration_s": 1.0,
            "result": {"energy": -1.0 * number, "ratio": 0.1 * number},
        }
        for number in range(4)
    },
}


@reader(RESULTS, {**RESULTS, "run": {**RESULTS["run"], "status": "running"}}, STUDY)
def results(folder: Path, data: bytes) -> None:
    directory = run_folder(folder)
    put(directory.path / "results.json", data)
    document = directory.read_results()
    assert document == json.loads(data)
    for name, text in summary_rows(document):
        escape_controls(name + text)
    write_report(directory, document)
    json.dumps(status_of(directory).to_json(), allow_nan=False)


@reader(SVG)
def figure(folder: Path, data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    if len(data) % 5 == 0:  # the page takes longer than the figure
        directory = run_folder(folder)
        put(directory.path / "figures" / "search.svg", data)
        write_report(directory, directory.read_results())
    if is_picture(text):
        inlined = inline_svg(text, "f1", "label").lower()
        for word in ("<script", "<style", "<foreignobject", " onload", '="javascript:'):
            assert word not in inlined.replace("&lt;", "")
        assert inlined.count("url(") == inlined.count("url(#f1-") or "<text" in inlined


@reader({"name": "local", "file": "/x/local.py", "project": "/x", "settings": {"nodes": 2}})
def site(folder: Path, data: bytes) -> None:
    directory = run_folder(folder)
    put(directory.path / "site.json", data)
    record = directory.read_record("site.json", SiteRecord)
    read_settings(BatchSettings, record["name"], (), record.get("settings") or {})


@reader({"hybrid-parsl": IDENTITY, "python": "3.11.7", "problem": "0123"})
def versions(folder: Path, data: bytes) -> None:
    directory = run_folder(folder)
    put(directory.path / "versions.json", data)
    found = directory.read_record("versions.json", Versions)
    assert all(isinstance(each, str) for each in found.values())


MANIFEST = {
    "protocol": 1,
    "host": "cn01",
    "pid": 7,
    "versions": {"hybrid-parsl": IDENTITY, "python": "3.11.7"},
    "exit_code": 4,
    "folder": "/runs/a",
    "run_directory": "/runs/a/b",
    "status": "failed",
    "metrics": {"energy": -1.0, "ratio": None},
    "error": {"type": "RankFailedError", "message": "boom"},
    "outputs": [{"name": "results.json", "bytes": 2, "sha256": "0f", "path": "/runs/a/b"}],
    "stdout_tail": "a\n",
    "stderr_tail": "b\nerror: in the search stage: the slurm backend did not take the job: x",
}
REQUEST = RunRequest(RUN, 'name = "bell"', site_settings=["nodes=2"])
REMOTE = {
    "endpoint": "4b116d3c-1703-4f8f-9f6f-39921e5864df",
    "function": "4b116d3c-1703-4f8f-9f6f-39921e5864df",
    "request": asdict(REQUEST),
    "template": {"drivers": 4},
    "submissions": [{"time": "2026", "task_group": "a", "task": "b"}],
    "manifest": MANIFEST,
}


@reader(REMOTE, {**REMOTE, "manifest": None, "submissions": []})
def remote(folder: Path, data: bytes) -> None:
    directory = run_folder(folder)
    put(directory.path / "remote.json", data)
    found = RemoteRun.read(directory)
    json.dumps([found.status, found.finished, found.brought(), found.left_there()])
    found.request.to_text("run")
    found.write()
    found.check()


@reader({**MANIFEST, "files": {"results.json": "eJyrrgUAAXUA+Q=="}}, MANIFEST)
def answer(_: Path, data: bytes) -> None:
    found = Manifest.from_text(data.decode("utf-8", "surrogateescape"))
    if (error := found.error("a-task")) is not None:
        raise error


@reader({"protocol": 1, "host": "cn01", "versions": {"hybrid-parsl": IDENTITY, "numpy": "2"}})
def version_answer(_: Path, data: bytes) -> None:
    _compare(read_answer(data.decode("utf-8", "surrogateescape"), _Versions))


@reader({"0123 production user": "4b116d3c-1703-4f8f-9f6f-39921e5864df"})
def function_ids(folder: Path, data: bytes) -> None:
    found = functions._read(put(folder / "functions.json", data))
    assert all(isinstance(each, str) for each in found.values())


@reader(
    asdict(JobRecord("local", "a-name", "host", 1.5, "123", begun=2.5, folder="/x", boot="b")),
    asdict(JobRecord("slurm", "a-name", "host", 1.5)),
)
def job(folder: Path, data: bytes) -> None:
    found = JobRecord.read(put(folder / "job.json", data))
    if found is None:
        raise ResultError("no record")
    assert found.backend != "local" or found.job_id is None or int(found.job_id) > 0
    json.dumps(asdict(found), allow_nan=False)


@reader(asdict(KubeContext(context="a", namespace="b")))
def cluster(folder: Path, data: bytes) -> None:
    put(folder / ".psij" / "kubernetes.json", data)
    json.dumps(asdict(KubeContext.read(folder / ".psij")), allow_nan=False)


@reader({"host": "a", "pid": 123, "began": 1.5})
def lock(folder: Path, data: bytes) -> None:
    path = folder / "driver.lock"
    with run_lock(path, "run"):
        path.write_bytes(data)
        found = driver_of(path)
    assert found is not None
    assert isinstance(found.pid, int)


FRAME = encode_frame({"a": [1, 2.5, "x" * 50]})


@reader(FRAME)
def frame(folder: Path, data: bytes) -> None:
    assert read_frame(put(folder / "result.frame", data)) == {"a": [1, 2.5, "x" * 50]}


STARTS = [Start(0, -1.5, [0.1, 0.2], [-1.0, -1.5], 9), Start(1, -1.0, [], [], 9)]
JOURNAL = "".join(f'\n{{"search":"key",{start.to_json()[1:]}' for start in STARTS) + "\n"


@reader(JOURNAL)
def journal(folder: Path, data: bytes) -> None:
    put(folder / "starts-00000.jsonl", data)
    for index, start in Journal(folder, "key").read().items():
        assert index == start.index >= 0
        assert start.energy > -math.inf
    progress = SearchProgress(folder, 8)
    progress.update()
    assert 0 <= progress.n_done <= 8
    assert not math.isnan(progress.best_energy)


@reader([{"host": "a", "pid": 12}, {"host": "b", "pid": 13}])
def ranks(folder: Path, data: bytes) -> None:
    task = TaskFolder(folder)
    put(task.ranks, data)
    put(task.stderr, b"PID 12 RUNNING AT a\n(signal 9)\n" + data[:200])
    put(task.waiting, data[:200])
    put(task.block, data[:200])
    str(failures.explain_failure(task, "7", 1))
    task.waits_for()
    task.block_name()


# ---- schedules

SCHEDULE = Schedule(
    name="nightly",
    cron="5 4 * * 1-5",
    timezone="Europe/Berlin",
    experiment="/x/bell.toml",
    overrides=["search.starts=4"],
    folder="/x",
    runs_dir="/x/runs",
    state="/x/state",
    keep=3,
    on_failure="https://example.org/hook",
    environment={"A": "b"},
)


@reader(SCHEDULE.to_toml())
def definition(folder: Path, data: bytes) -> None:
    found = read_definition(put(folder / "nightly.toml", data))
    again = put(folder / "again.toml", found.to_toml().encode())
    assert read_definition(again) == found


MOMENT = {"local": "2026-01-01T01:00:00.000+01:00", "boot_id": "b", "boot_s": 100.5}
HISTORY = "".join(
    f"{json.dumps(event)}\n"
    for event in (
        {
            "event": "started",
            "attempt": "a",
            **MOMENT,
            "cron": "@daily",
            "timezone": "Europe/Berlin",
            "by_hand": False,
            "process": "process 1 on a",
        },
        {"event": "run", "attempt": "a", "run": "/x/runs/b"},
        {"event": "error", "attempt": "a", "message": "boom"},
        {
            "event": "ended",
            "attempt": "a",
            **MOMENT,
            "boot_s": 160.0,
            "outcome": "failed",
            "exit_code": 4,
            "energy": -1.5,
            "message": "boom",
        },
    )
)


@reader(HISTORY)
def history(folder: Path, data: bytes) -> None:
    put(folder / "history.jsonl", data)
    found = [each.to_json() for each in History(folder).attempts()]
    json.dumps(found, allow_nan=False)
    if len(data) % 20 == 0:  # its figure takes as long as all else
        render_history({"name": "nightly", "runs": [{**each, "notes": []} for each in found]})


@reader("# mine\nMAILTO=me\n5 4 * * * /bin/other  # x\n* * * * * echo 'a%b'\n")
def cron_table(_: Path, data: bytes) -> None:
    text = crontab._text(data)
    line = crontab.crontab_line(parse_cron("5 4 * * *"), "/x/nightly.toml")
    added = crontab.add_line(crontab.remove_lines(text, "/x/nightly.toml"), line)
    assert crontab.has_line(added, "/x/nightly.toml")
    again = crontab.remove_lines(added, "/x/nightly.toml")
    assert not crontab.has_line(again, "/x/nightly.toml")
    assert again.rstrip("\n") == text.rstrip("\n")
    assert crontab._text(again.encode(errors="surrogateescape")) == again


EXPECTED = (HybridParslError, ConfigurationError)
"""What a reader may raise."""
