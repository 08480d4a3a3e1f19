"""What is refused before a run, since it could not end well."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from hybrid_parsl.errors import ConfigurationError, InsufficientMemoryError
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.stages.check import check_experiment, check_memory_here


def asked(**tables: Any) -> Any:
    return parse_experiment({"name": "asked", "problem": {"kind": "maxcut", "nodes": 6}, **tables})


class NoRun:
    def __init__(self, quantum: Any) -> None:
        pass


class OtherRun(NoRun):
    def run(self, circuit: Any) -> None:
        pass


class Sampler(NoRun):
    def run(self, pubs: Any, *, shots: int | None = None) -> None:
        pass


def no_arguments() -> Sampler:
    return Sampler(None)


def makes_no_sampler(_quantum: Any) -> NoRun:
    return NoRun(None)


makes_no_sampler.__annotations__["return"] = NoRun


def says_nothing(_quantum):
    return Sampler(None)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("lab")
    for each in (NoRun, OtherRun, Sampler, no_arguments, makes_no_sampler, says_nothing):
        setattr(module, each.__name__, each)
    monkeypatch.setitem(sys.modules, "lab", module)


@pytest.mark.parametrize("method", ["stabilizer", "extended_stabilizer"])
def test_a_method_without_the_circuits_gates(method: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot run the circuit .* rzz") as caught:
        check_experiment(asked(quantum={"method": method}))
    assert caught.value.key == "quantum.method"


@pytest.mark.parametrize("starts", [1, 3])
def test_a_grid_of_too_few_points(starts: int) -> None:
    with pytest.raises(ConfigurationError, match="at least 4") as caught:
        check_experiment(asked(search={"method": "grid", "starts": starts}))
    assert caught.value.key == "search.starts"


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("NoRun", "NoRun has no method run"),
        ("OtherRun", r"signature of run of OtherRun is \(self, circuit"),
        ("no_arguments", r"its signature is \(\)"),
        ("makes_no_sampler", "NoRun has no method run"),
    ],
)
def test_a_factory_of_the_wrong_shape(factory: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        check_experiment(asked(quantum={"backend": f"lab:{factory}"}))
    assert caught.value.key == "quantum.backend"


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("factory", ["Sampler", "says_nothing"])
def test_a_factory_that_may_be_right(factory: str) -> None:
    check_experiment(asked(quantum={"backend": f"lab:{factory}"}))


@pytest.mark.parametrize(
    ("key", "nodes", "quantum", "valid"),
    [
        ("quantum.method", 16, {"method": "density_matrix"}, "statevector, or 13 qubits"),
        ("problem.nodes", 30, {"method": "statevector"}, "26 qubits"),
        ("quantum.shots", 28, {"shots": 10_000_000}, "shots"),
    ],
)
def test_a_sample_that_does_not_fit_into_the_memory(
    monkeypatch: pytest.MonkeyPatch, key: str, nodes: int, quantum: dict[str, Any], valid: str
) -> None:
    monkeypatch.setattr("hybrid_parsl.simulate.free_memory.available_bytes", lambda: 1 << 30)
    monkeypatch.setattr("hybrid_parsl.simulate.free_memory._PAUSE_S", 0.0)
    experiment = asked(problem={"kind": "maxcut", "nodes": nodes}, quantum=quantum)
    check_memory_here(experiment, 0, samples=False)
    with pytest.raises(InsufficientMemoryError, match=valid) as caught:
        check_memory_here(experiment, 0, samples=True)
    assert caught.value.key == key
