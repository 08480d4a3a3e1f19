from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer
from waiting import PATIENCE_S

from hybrid_parsl import __version__, errors
from hybrid_parsl.cli import listings
from hybrid_parsl.cli.main import app, main
from hybrid_parsl.errors import HybridParslError, ResultError

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = ["run", "sites", "problems", "show", "report"]
HEAVY = [
    "globus_compute_sdk",
    "globus_sdk",
    "numpy",
    "parsl",
    "psij",
    "qiskit",
    "matplotlib",
    "scipy",
    "numba",
    "mpi4py",
]


def test_every_command_is_known() -> None:
    assert set(COMMANDS) <= {
        typer.main.get_command_name(c.callback.__name__) for c in app.registered_commands
    }


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("name", sorted(typer.main.get_command(app).commands))
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself_and_its_options(
    command: Any, name: str, option: str
) -> None:
    text = command(name, option)
    found = typer.main.get_command(app).commands[name]
    assert str(found.help).partition("\n")[0] in text
    for parameter in found.params:
        if parameter.param_type_name == "option":
            assert parameter.help
            assert parameter.opts[0] in text


@pytest.mark.parametrize("option", ["--help", "-h", None])
def test_the_commands_are_listed(command: Any, option: str | None) -> None:
    command(option) if option else command(code=2)
    text = command.out if option else command.err  # without a command it is a mistake
    for name in COMMANDS:
        assert name in text
    assert "--project" in text


def test_the_version(command: Any) -> None:
    assert command("--version") == f"hybrid-parsl {__version__}\n"


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("arguments", [["run"], ["remote"], ["remote", "run"]])
def test_help_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from hybrid_parsl.cli.main import main\n"
        "try:\n"
        f"    main([*{arguments}, '--help'])\n"
        "finally:\n"
        f"    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["runn"], "runn"),
        (["run", "--sight", "x"], "--sight"),
        (["run", "a", "zzz"], "zzz"),
        (["sites", "zzz"], "zzz"),
        (["--nope"], "--nope"),
    ],
)
def test_what_is_no_command_or_option(command: Any, arguments: list[str], told: str) -> None:
    command(*arguments, code=2)
    assert "Traceback" not in command.err
    assert told in command.err


KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, HybridParslError)
]


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_ends_the_process_with_its_code_and_text(
    command: Any, monkeypatch: pytest.MonkeyPatch, kind: type[HybridParslError]
) -> None:
    parameters = inspect.signature(kind.__init__).parameters.values()
    named = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD][1:]
    needed = [
        7 if each.annotation == "int" else "word" for each in named if each.default is each.empty
    ]
    error = kind(*needed)

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(listings, "print_rows", fail)
    command("problems", code=kind.exit_code)
    assert command.out == ""
    first, *others = f"error: {error}\n".splitlines(keepends=True)
    assert command.err == first + "".join(f"  {line.lstrip()}" for line in others)


def test_an_error_of_a_stage_names_it_with_what_else_went_wrong(
    command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        error = ResultError("lost")
        error.add_note("stage: quantum")
        error.add_note("moreover: the disk is full")
        raise error

    monkeypatch.setattr(listings, "print_rows", fail)
    command("problems", code=4)
    assert command.err == "error in the quantum stage: lost\nmoreover: the disk is full\n"


def test_an_error_that_is_not_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(listings, "print_rows", fail)
    with pytest.raises(ZeroDivisionError):
        main(["problems"])


@pytest.mark.parametrize("module", ["hybrid_parsl", "hybrid_parsl.cli.main"])
def test_importing_runs_nothing(module: str) -> None:
    assert importlib.import_module(module)


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hybrid_parsl", "run", "nothing"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no such experiment\n  found: nothing\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("thorough")
def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    code = "from hybrid_parsl.cli.main import main; main(['problems', '--json'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    text = process.stderr.read()
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 141
    assert b"Traceback" not in text


def test_completion_that_cannot_be_installed_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    command = [sys.executable, "-m", "hybrid_parsl", "--install-completion", "bash"]
    environment = {
        **os.environ,
        "HOME": str(tmp_path / "home"),
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --install-completion: the shell's files cannot be")
    assert "--show-completion" in done.stderr


def test_a_folder_that_was_removed_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    code = (
        "import os; os.rmdir(os.getcwd())\nfrom hybrid_parsl.cli.main import main; main(['show'])"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path / "gone", capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: the current folder has been removed\n")


def test_a_project_by_option_by_caller_and_wrong(
    command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mine/site_configs", "mine/apps"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "mine" / "site_configs" / "here.py").write_text('"""Here."""\n')
    assert "here" in command("--project", "mine", "sites", "--json")
    with pytest.raises(SystemExit):
        main(["sites", "--json"], project=tmp_path / "mine")
    assert "here" in capsys.readouterr().out
    command("--project", "nowhere", "sites", code=2)
    assert command.err == (
        "error: --project: holds no project\n"
        "  found: nowhere\n"
        "  valid: a folder with apps/ and site_configs/\n"
    )
