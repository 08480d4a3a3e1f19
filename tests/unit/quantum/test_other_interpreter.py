"""Backends in another interpreter: what they count, and how they fail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from hybrid_parsl.errors import ConfigurationError, QuantumJobError
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.stages.quantum import expectation, measure

if TYPE_CHECKING:
    import subprocess

    from hybrid_parsl.quantum import QuantumBackend

FACTORIES = """
import os, sys


def sampler(settings):
    from qiskit.primitives import StatevectorSampler

    print("a backend that talks")
    assert "hybrid_parsl" not in sys.modules
    return StatevectorSampler(seed=settings.seed)


def device(settings):
    from qiskit.providers.fake_provider import GenericBackendV2

    return GenericBackendV2(4, seed=1, noise_info=False)


def fails(settings):
    raise KeyError("no account")


def dies(settings):
    print("out of luck")
    os._exit(3)
"""


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an interpreter in an environment of its own: ours without this package."""
    (tmp_path / "factories.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(tmp_path)
    here = Path(sys.executable)
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {here} "$@"\n')
    script.chmod(0o755)
    return script


def backend(python: Path | str, factory: str, **quantum: Any) -> QuantumBackend:
    table = {"backend": f"factories:{factory}", "python": str(python), "shots": 2000, **quantum}
    asked = parse_experiment({"name": "x", "problem": {"kind": "bell"}, "quantum": table})
    return open_backend(asked.quantum)


def ghz() -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.x(2)
    return circuit


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("factory", ["sampler", "device"])
def test_counts_and_expectation_values(python: Path, factory: str) -> None:
    made = backend(python, factory)
    counts = measure(ghz(), made)
    assert set(counts) == {"100", "111"}
    assert sum(counts.values()) == 2000
    assert abs(counts["111"] - 1000) < 150
    found = expectation(ghz(), SparsePauliOp(["IXX", "ZII", "IZZ"], [1.0, 2.0, 0.5]), made)
    assert found.energy == pytest.approx(-0.5, abs=0.01)
    assert str(python) in made.name


@pytest.mark.usefixtures("thorough")
def test_the_same_seed_gives_the_same_counts(python: Path) -> None:
    first, again = (measure(ghz(), backend(python, "sampler", seed=5)) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("fails", "KeyError: 'no account'"),
        ("dies", "out of luck"),
        ("missing", "AttributeError"),
    ],
)
def test_what_fails_is_told(python: Path, factory: str, words: str) -> None:
    with pytest.raises(QuantumJobError) as caught:
        measure(ghz(), backend(python, factory))
    assert words in str(caught.value)


def test_an_interpreter_that_is_not_there() -> None:
    with pytest.raises(QuantumJobError, match=r"quantum\.python = /nowhere/python: No such file"):
        measure(ghz(), backend("/nowhere/python", "sampler"))


@pytest.mark.usefixtures("thorough")
def test_the_process_ends_with_the_backend(python: Path) -> None:
    made = backend(python, "sampler")
    measure(ghz(), made)
    process: subprocess.Popen[str] = made.sampler()._process[0]  # type: ignore[attr-defined]
    assert process.poll() is None
    del made
    assert process.poll() == 0


@pytest.mark.parametrize(
    ("quantum", "key"),
    [
        ({"python": "python3"}, "quantum.python"),
        ({"python": "~/iqm/bin/python"}, "quantum.python"),
        ({"python": "/usr/bin/python3", "backend": "aer"}, "quantum.backend"),
        ({"python": "/usr/bin/python3", "mitigation": "zne"}, "quantum.mitigation"),
        ({"python": "/usr/bin/python3", "options": {"level": 1}}, "quantum.options.level"),
    ],
)
def test_what_is_refused(quantum: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        backend(quantum.pop("python"), "sampler", **quantum)
    assert caught.value.key == key
