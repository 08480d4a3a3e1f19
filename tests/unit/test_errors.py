from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import TYPE_CHECKING

import pytest

from hybrid_parsl import errors
from hybrid_parsl.errors import (
    BackendUnavailableError,
    ConfigurationError,
    HybridParslError,
    IdentityMismatchError,
    InsufficientMemoryError,
    JobFailedError,
    QuantumJobError,
    QuantumServiceUnavailableError,
    RankFailedError,
    ResultError,
    RunOverlapError,
    SiteSettingsError,
    StageFailedError,
    StorageError,
    SubmissionError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = {
    "int": 7,
    "str": "a word",
    "str | None": "perhaps a word",
    "tuple[str, ...]": ("one", "two"),
}


def tree(root: type[HybridParslError]) -> Iterator[type[HybridParslError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith(errors.__name__):
            yield from tree(child)


CLASSES = list(tree(HybridParslError))
WITH_PARAMETERS = [kind for kind in CLASSES if inspect.signature(kind).parameters]


def make(kind: type[HybridParslError], *, optional: bool) -> HybridParslError:
    parameters = list(inspect.signature(kind).parameters.values())
    given = [each for each in parameters if optional or each.default is each.empty]
    return kind(*(EXAMPLES[str(each.annotation)] for each in given))


def test_the_tree_is_the_one_that_is_drawn() -> None:
    drawn = dict(re.findall(r"(\w+Error)\s+(\d)\b", errors.__doc__ or ""))
    assert {kind.__name__: str(kind.exit_code) for kind in CLASSES} == drawn
    assert all(kind.__name__.endswith("Error") for kind in CLASSES)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ConfigurationError", 2),
        ("SubmissionError", 3),
        ("TaskError", 4),
        ("IdentityMismatchError", 5),
        ("RunOverlapError", 6),
    ],
)
def test_a_whole_branch_has_one_exit_code(name: str, code: int) -> None:
    branch = list(tree(getattr(errors, name)))
    assert {kind.exit_code for kind in branch} == {code}


def test_only_an_unavailable_backend_is_worth_another_try() -> None:
    assert {kind for kind in CLASSES if kind.retryable} == set(tree(BackendUnavailableError))


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize("kind", WITH_PARAMETERS)
def test_an_error_survives_pickle(
    kind: type[HybridParslError],
    optional: bool,  # noqa: FBT001 - a parameter of the test
    protocol: int,
) -> None:
    error = make(kind, optional=optional)
    error.add_note("stage: search")
    travelled = pickle.loads(pickle.dumps(error, protocol))
    assert type(travelled) is kind
    assert str(travelled) == str(error) != ""
    assert travelled.args == error.args
    assert vars(travelled) == vars(error)
    assert travelled.__notes__ == ["stage: search"]


@pytest.mark.parametrize("kind", WITH_PARAMETERS)
def test_an_error_can_be_copied(kind: type[HybridParslError]) -> None:
    error = make(kind, optional=True)
    assert str(copy.copy(error)) == str(copy.deepcopy(error)) == str(error)


@pytest.mark.parametrize("kind", WITH_PARAMETERS)
def test_every_text_that_an_error_is_given_is_shown(kind: type[HybridParslError]) -> None:
    hidden = {"required_bytes", "available_bytes", "exit_code", "stderr_tail"}
    values = {
        name: {"int": 11, "tuple[str, ...]": (f"<{name}>",)}.get(str(each.annotation), f"<{name}>")
        for name, each in inspect.signature(kind).parameters.items()
    }
    text = str(kind(**values))
    shown = {name: each[0] if isinstance(each, tuple) else each for name, each in values.items()}
    assert [name for name in shown if str(shown[name]) not in text and name not in hidden] == []


def test_a_configuration_error_is_laid_out_in_lines() -> None:
    error = ConfigurationError("unknown key", "a.toml", "search.start", "start", "starts", "starts")
    assert str(error) == (
        "a.toml: search.start: unknown key\n"
        "  found: start\n"
        "  valid: starts\n"
        "  did you mean 'starts'?"
    )
    assert str(ConfigurationError("no such site")) == "no such site"


def test_the_first_place_of_a_configuration_error_stands() -> None:
    import parsl  # noqa: F401 - it lets tblib copy exceptions in its own way

    error = ConfigurationError("missing", key="name", valid="a word", found="", suggestion="x")
    placed = error.at("a.toml")
    assert (placed.source, placed.key, placed.found, placed.valid) == (
        "a.toml",
        "name",
        "",
        "a word",
    )
    assert placed.suggestion == "x"
    assert placed.at("b.toml").source == "a.toml"
    assert error.source is None


@pytest.mark.parametrize(
    "error",
    [
        InsufficientMemoryError(2**40, 2**30, "a state", "problem.nodes", "27 qubits"),
        SiteSettingsError("slurm", "nodes: missing"),
    ],
)
def test_an_error_that_is_placed_stays_what_it_is(error: ConfigurationError) -> None:
    placed = error.at("a.toml")
    travelled = pickle.loads(pickle.dumps(placed))
    assert type(placed) is type(travelled) is type(error)
    assert str(travelled) == str(placed)
    assert placed.source == (error.source or "a.toml")
    assert vars(placed) == {**vars(error), "source": placed.source}


def test_memory_is_told_in_gib() -> None:
    text = str(InsufficientMemoryError(3 * 2**30, 2**29, "a state of 27 qubits"))
    assert "a state of 27 qubits" in text
    assert "3.00 GiB" in text
    assert "0.50 GiB" in text


@pytest.mark.parametrize(
    ("error", "first", "later"),
    [
        (
            RankFailedError(3, "n1", 137, "", "oom\n", "/e.log"),
            "rank 3 on n1 was killed by signal 9, as happens when memory runs out",
            ["  log: /e.log", "  | oom"],
        ),
        (RankFailedError(-1, "", 7), "a rank ended with exit code 7", []),
        (RankFailedError(0, "n", 128), "rank 0 on n ended with exit code 128", []),
        (
            RankFailedError(0, "", 1, "Trace\n  x\nValueError: no\n", "hidden"),
            "rank 0 raised ValueError: no",
            ["  | Trace", "  |   x", "  | ValueError: no"],
        ),
        (
            JobFailedError("12", "gone", "/e.log", "a\nb\n"),
            "job 12: gone",
            ["  log: /e.log", "  | a", "  | b"],
        ),
        (
            StageFailedError("quantum", "KeyError: 1", "T\n"),
            "quantum raised KeyError: 1",
            ["  | T"],
        ),
        (SubmissionError("slurm", "no"), "the slurm backend did not take the job: no", []),
        (
            QuantumServiceUnavailableError("ibm:x", "gone"),
            "the backend ibm:x is unavailable: gone",
            [],
        ),
        (QuantumJobError("aer", "no"), "the quantum backend 'aer' failed: no", []),
        (ResultError("lost"), "lost", []),
        (StorageError("/f", "full"), "cannot write /f: full", []),
        (
            RunOverlapError("schedule 'night'", "run 3"),
            "schedule 'night' is still running: run 3 holds its lock",
            [],
        ),
    ],
)
def test_the_text_of(error: HybridParslError, first: str, later: list[str]) -> None:
    assert str(error).split("\n") == [first, *later]


HEAD = "Traceback (most recent call last):\n"
OURS = """  File "/p/concurrent/futures/process.py", line 261, in _process_worker
    r = call_item.fn()
        ^^^^^^^^^^^^^^
  File "/p/hybrid_parsl/engine/warm_worker.py", line 57, in call
    return function()
  File "/p/hybrid_parsl/stage_function.py", line 51, in __call__
    return self.function()
"""
THEIRS = """  File "/home/me/apps/stages.py", line 3, in compare
    raise ValueError("no")
"""


@pytest.mark.parametrize(
    ("frames", "shown"), [(OURS + THEIRS, THEIRS), (THEIRS + OURS, THEIRS + OURS), (OURS, OURS)]
)
def test_a_traceback_begins_in_the_code_of_the_stage(frames: str, shown: str) -> None:
    text = f"{HEAD}{frames}ValueError: no\n"
    for error in (StageFailedError("compare", "x", text), RankFailedError(0, "", 1, text)):
        lines = [f"  | {line}" for line in f"{HEAD}{shown}ValueError: no".splitlines()]
        assert str(error).split("\n")[1:] == lines


def test_an_identity_mismatch_names_both_sides() -> None:
    lines = str(IdentityMismatchError("1+a", "2+b", "rank 3")).split("\n")
    assert lines[1:3] == ["  driver: 1+a", "  rank 3: 2+b"]
