from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.cli.run import execute
from hybrid_parsl.errors import (
    BackendUnavailableError,
    HybridParslError,
    RunOverlapError,
    StageFailedError,
    WalltimeExceededError,
)

if TYPE_CHECKING:
    from pathlib import Path

FORTY = ["--set", "problem.nodes=40"]
BELL = 'name = "x"\n[problem]\nkind = "bell"\n[search]\nmethod = "draw"\n'


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["belll"], "no such experiment\n  found: belll\n"),
        (["belll"], "did you mean 'bell'?"),
        (["bell", "--site", "locl"], "--site: no such site\n  found: locl\n"),
        (["bell", "--site", "locl"], "did you mean 'local'?"),
        (["bell", "--site", "./absent.py"], "--site: no such file\n  found: ./absent.py\n"),
        (["bell", "--set", "search.starts"], "--set: an override is KEY=VALUE\n"),
        (["bell", "--set", "search.starts=0"], "--set: search.starts: should be "),
        (["bell", "--set", "search.start=3"], "did you mean 'starts'?"),
        (["bell", "--set", "quantum.method=stabilizer"], "--set: quantum.method: cannot run"),
        (["bell", "--set", "quantum.shots=0"], "--set: quantum.shots: should be "),
        (["bell", "--set", "quantum.backend=aerr"], "did you mean 'aer'?"),
        (["bell", "--set", "quantum.backend=nosuch:x"], "No module named 'nosuch'"),
        (["maxcut", "--set", "problem.degree=99"], "problem.degree: a node of 16 has fewer"),
        (["bell", "--set", "problem.kind=bel"], "--set: problem.kind: unknown kind of problem"),
        (["bell", "--set", "problem.extra=1"], "--set: problem.extra: unknown key"),
        (["bell", "--set", "serach.starts=1"], "--set: serach: unknown key"),
        (["x" * 400], "no such experiment"),
        (["bell", "--runs-dir", "/proc/nowhere"], "--runs-dir: cannot make a folder"),
        (["/usr"], "is a folder, not an experiment\n  found: /usr\n"),
        (["bell", "--set", "problem.extra=1"], "valid: no keys"),
        (["bell", "--set", "problem.kind=failing_problems:Huge"], "found: 64 qubits\n"),
        (["maxcut", "--set", "problem.nodes=40"], "--set: problem.nodes: a search with 40 qubits"),
        (["maxcut", "--set", "problem.nodes=40", "-n"], "40 qubits on 2 ranks of one host"),
        (
            ["maxcut", "--set", "resources.num_ranks=100000"],
            "--set: resources.num_ranks: does not fit num_nodes = 1\n",
        ),
        (
            ["bell", "--site", "slurm", "--set", "resources={num_nodes=2, num_ranks=3}"],
            "resources: num_ranks: a batch job has the same number of ranks on each",
        ),
        (
            ["bell", "--site", "slurm", "--runs-dir", "a b"],
            "--runs-dir: the scripts of PSI/J cannot work in a folder with such a path",
        ),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    command: Any, arguments: list[str], text: str
) -> None:
    command("run", *arguments, code=2)
    assert text in command.err
    assert command.err.startswith("error: ")
    assert command.out == ""
    assert list(command.folder.iterdir()) == []


def test_a_fault_in_a_file_is_told_with_the_file(command: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BELL + "[quantum]\nshots = 'many'\n")
    command("run", "mine.toml", code=2)
    assert command.err.startswith(f"error: {path}: quantum.shots: should be a valid integer\n")
    path.write_text(BELL + "[quantum]\nmethod = 'stabilizer'\n")
    command("run", "mine.toml", code=2)
    assert command.err.startswith(f"error: {path}: quantum.method: cannot run the circuit")


def test_a_file_that_is_no_toml_is_told_with_the_line(command: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("name = 'x'\n[problem\n")
    command("run", "broken.toml", code=2)
    assert command.err.startswith(f"error: {tmp_path / 'broken.toml'}: not TOML: ")
    assert "line 2" in command.err


def test_a_file_in_the_place_of_the_folder_of_runs(command: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    command("run", "bell", code=2)
    assert command.err.startswith("error: --runs-dir: cannot make a folder")


def test_a_broken_site_is_told_before_a_folder_is_made(command: Any, tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text("import nowhere_at_all\n")
    command("run", "bell", "--site", "./site.py", code=2)
    assert f"{tmp_path / 'site.py'}, line 1: ModuleNotFoundError" in command.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("executors", "text"),
    [
        ("[PsiJExecutor(label, 'x', backend='locl') for label in ALL]", "did you mean 'local'?"),
        ("[PsiJExecutor('mpi', 'x')]", "no executor with the label"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_site_that_cannot_be_used_is_told_before_a_folder_is_made(
    command: Any, tmp_path: Path, executors: str, text: str
) -> None:
    (tmp_path / "site.py").write_text(
        "from parsl import Config\n"
        "from hybrid_parsl.engine.psij_executor import PsiJExecutor\n"
        "from hybrid_parsl.labels import ALL\n"
        f"def config(run):\n    return Config(executors={executors})\n"
    )
    command("run", "bell", "--site", "./site.py", code=2)
    assert text in command.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Parsl's sockets
def test_more_nodes_than_a_block_has_are_refused(command: Any) -> None:
    pilot = ["--site", "slurm", "--site-set", "mpi=pilot"]
    command("run", "bell", *pilot, "--set", "resources.num_nodes=2", code=2)
    assert "num_nodes: more nodes than a block of the site has\n" in command.err
    assert list(command.folder.iterdir()) == []


def test_memory_elsewhere_is_not_measured_here(command: Any) -> None:
    elsewhere = ["--site", "slurm", "--site-set", "stages=blocks"]
    assert "nodes = 40" in command("run", "maxcut", "-n", *elsewhere, *FORTY)


def test_a_run_given_as_its_folder(command: Any, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "experiment.toml").write_text(BELL)
    command("run", "old", code=2)
    assert "did you mean 'old/experiment.toml'?" in command.err


@pytest.mark.parametrize(
    ("error", "notes"),
    [
        (WalltimeExceededError("7", "walltime exceeded"), 1),
        (BackendUnavailableError("slurm", "no answer"), 1),
        (StageFailedError("quantum", "ValueError: out of order"), 0),
    ],
)
def test_what_may_pass_is_told_with_how_to_go_on(
    tmp_path: Path, error: HybridParslError, notes: int
) -> None:
    class Failing:
        directory = SimpleNamespace(path=tmp_path / "a run")
        site = SimpleNamespace(settings=lambda: None)
        experiment = SimpleNamespace(search=SimpleNamespace(starts=1))
        points = ()

        def execute(self, *_: object) -> None:
            raise error

    run: Any = Failing()
    with pytest.raises(type(error)) as caught:
        execute(run, quiet=True, as_json=False)
    folder = tmp_path / "a run"
    advice = f"what was finished is in {folder}; resume with: hybrid-parsl resume '{folder}'"
    found = getattr(caught.value, "__notes__", [])
    assert [note.partition("\n")[0] for note in found] == [advice] * notes
    is_over = isinstance(error, WalltimeExceededError)
    assert any("resources.retries" in note for note in found) == is_over


def test_a_study_that_another_driver_runs_is_not_to_be_resumed(tmp_path: Path) -> None:
    class Driven:
        directory = SimpleNamespace(path=tmp_path)
        points = (None,)

        def execute(self, *_: object) -> None:
            raise RunOverlapError("run x", "process 7")

    run: Any = Driven()
    with pytest.raises(RunOverlapError) as caught:
        execute(run, quiet=True, as_json=False)
    assert not hasattr(caught.value, "__notes__")
