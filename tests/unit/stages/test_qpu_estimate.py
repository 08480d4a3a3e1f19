from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.quantum import QuantumBackend
from hybrid_parsl.quantum.qpu_time import Item, QpuEstimate
from hybrid_parsl.stages.check import check_experiment
from hybrid_parsl.stages.qpu_estimate import BITSTRINGS, check_qpu_time, estimate_qpu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

BELL = {"kind": "bell"}
TFIM = {"kind": "tfim", "sites": 3}


class Remote(QuantumBackend):
    is_remote = True

    def sampler(self) -> Any:
        raise NotImplementedError

    def estimator(self) -> Any:
        raise NotImplementedError

    def estimate_usage(
        self,
        circuits: Sequence[QuantumCircuit],
        observables: Sequence[SparsePauliOp] = (),
        shots: int | None = None,
    ) -> QpuEstimate:
        assert all(bool(circuit.cregs) == (not observables) for circuit in circuits)
        n_bases = len(circuits) * max(1, len(observables))
        item = Item(shots or self.settings.shots, 1e-6)
        return QpuEstimate((item,) * n_bases, self.settings.shots, 249e-6, ())


class Away(Remote):
    def check(self, circuit: Any) -> None:
        raise AssertionError(circuit)


@pytest.fixture(autouse=True)
def lab(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("lab")
    module.__dict__.update(Remote=Remote, Away=Away)
    monkeypatch.setitem(sys.modules, "lab", module)


def asked(problem: dict[str, Any], backend: str = "lab:Remote", **quantum: Any) -> Any:
    table = {"backend": backend, "shots": 4000, **quantum}
    return parse_experiment({"name": "asked", "problem": problem, "quantum": table})


@pytest.mark.parametrize(("problem", "n_bases"), [(BELL, 1), (TFIM, 2)])
def test_each_basis_is_executed_for_all_shots(problem: dict[str, Any], n_bases: int) -> None:
    (estimate,) = estimate_qpu(asked(problem)).values()
    assert estimate.executions == 4000 * n_bases
    assert estimate.seconds == pytest.approx(n_bases + 2)


def test_a_stage_that_measures_bitstrings_needs_one_basis() -> None:
    experiment = asked(TFIM, max_qpu_seconds=3)
    (estimate,) = estimate_qpu(experiment, {BITSTRINGS}).values()
    assert estimate.executions == 4000
    check_qpu_time(experiment, {BITSTRINGS})


def test_mitigation_is_another_job() -> None:
    found = estimate_qpu(asked(TFIM, mitigation="zne"))
    assert list(found) == ["measurement", "mitigation"]
    assert found["mitigation"].executions == 4000 * (2 * 3 + 1)
    with pytest.raises(ConfigurationError) as caught:
        check_qpu_time(asked(TFIM, mitigation="zne", max_qpu_seconds=9))
    assert caught.value.found == "13.00 s estimated for 36000 executions"


def test_a_simulator_uses_no_qpu_time() -> None:
    assert estimate_qpu(asked(BELL, "aer", max_qpu_seconds=1)) == {}
    check_qpu_time(asked(BELL, "aer", max_qpu_seconds=1))


def test_more_than_the_limit_is_refused_before_the_run() -> None:
    check_qpu_time(asked(TFIM, max_qpu_seconds=4))
    with pytest.raises(ConfigurationError, match="more QPU time than 3 s") as caught:
        check_qpu_time(asked(TFIM, max_qpu_seconds=3))
    assert caught.value.key == "quantum.max_qpu_seconds"
    assert caught.value.found == "4.00 s estimated for 8000 executions"


def test_only_the_driver_asks_a_remote_backend() -> None:
    check_experiment(asked(BELL, "lab:Away"), is_driven_here=False)
    with pytest.raises(AssertionError):
        check_experiment(asked(BELL, "lab:Away"))


@pytest.mark.parametrize("limit", [0, 0.5, 20_000, "3"])
def test_an_invalid_limit(limit: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        asked(BELL, max_qpu_seconds=limit)
    assert caught.value.key == "quantum.max_qpu_seconds"
