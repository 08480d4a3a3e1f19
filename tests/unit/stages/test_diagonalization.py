"""The diagonalization of a molecule in the space of bitstrings, against exact energies."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fcidump_files import GROUND, H2, HARTREE_FOCK
from services import require
from waiting import PATIENCE_S

from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.errors import ConfigurationError, ResultError
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.problems.registry import build_problem, embed_files
from hybrid_parsl.results import Bitstrings, Circuit, Diagonalization, Execution
from hybrid_parsl.stages.diagonalization import check_diagonalization, diagonalize

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.experiment import Experiment

CHAIN = "H 0 0 0; H 0 0 1; H 0 0 2; H 0 0 3"
EXECUTION = Execution(duration_s=0.5, n_ranks=1, hosts=["here"])


@pytest.fixture(autouse=True)
def sqd() -> None:
    available = importlib.util.find_spec("qiskit_addon_sqd") is not None
    require("qiskit_addon_sqd", "hybrid-parsl[sqd]", available=available)


@pytest.fixture
def hydrogen(tmp_path: Path) -> Experiment:
    (tmp_path / "h2.fcidump").write_text(H2)
    return asked(tmp_path, fcidump="h2.fcidump")


@pytest.fixture
def chain(tmp_path: Path) -> Experiment:
    return asked(tmp_path, geometry=CHAIN)


def asked(folder: Path, quantum: dict[str, Any] | None = None, **keys: Any) -> Experiment:
    problem = {"kind": "molecule", **keys}
    return embed_files(
        parse_experiment({"name": "x", "problem": problem, "quantum": quantum or {}}), folder
    )


def bitstrings(counts: dict[str, int]) -> Bitstrings:
    return Bitstrings(
        counts=counts,
        shots=sum(counts.values()),
        backend="aer",
        circuit=Circuit(qasm3="", n_qubits=4, depth=1, n_gates=1, sha256="ab"),
        execution=EXECUTION,
    )


def uniform(n_qubits: int, shots: int) -> Bitstrings:
    drawn = np.random.default_rng(3).integers(2**n_qubits, size=shots)
    values, counts = np.unique(drawn, return_counts=True)
    pairs = zip(values.tolist(), counts.tolist(), strict=True)
    return bitstrings({format(value, f"0{n_qubits}b"): count for value, count in pairs})


def found(*arguments: Any, **options: Any) -> Diagonalization:
    result = diagonalize(*arguments, **options)
    assert result is not None
    return result


@pytest.mark.usefixtures("thorough")
def test_hydrogen(hydrogen: Experiment) -> None:
    result = found(hydrogen, bitstrings({"0101": 90, "1010": 10}))
    assert result.energy == pytest.approx(GROUND, abs=1e-9)
    assert result.exact == pytest.approx(GROUND, abs=1e-9)
    assert result.reference == pytest.approx(HARTREE_FOCK, abs=1e-9)
    assert (result.n_determinants, result.n_all_determinants) == (4, 4)
    assert result.spin_squared == pytest.approx(0, abs=1e-9)
    assert np.sum(result.occupations, axis=1) == pytest.approx([1, 1])
    assert result.valid_fraction == 1
    assert result.figures["diagonalization"].startswith("<svg")


def test_the_hartree_fock_determinant_alone(hydrogen: Experiment) -> None:
    result = found(hydrogen, bitstrings({"0101": 5}))
    assert result.energy == pytest.approx(HARTREE_FOCK, abs=1e-9)


@pytest.mark.usefixtures("thorough")
def test_all_determinants_give_the_exact_energy(chain: Experiment) -> None:
    lowest, _ = build_problem(chain.problem).spectrum()
    result = found(chain, uniform(8, 4000))
    assert result.energy == pytest.approx(lowest, abs=1e-8)
    assert result.exact == pytest.approx(lowest, abs=1e-8)
    assert result.n_determinants == result.n_all_determinants == 36
    assert result.valid_fraction == pytest.approx(36 / 256, abs=0.02)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_energy_is_an_upper_bound(chain: Experiment, seed: int) -> None:
    result = found(chain, uniform(8, 300), 2, 5, 3, 3, seed)
    assert result.exact is not None
    assert result.exact - 1e-9 <= result.energy <= result.reference + 1e-9
    assert result.n_determinants <= 9
    assert result.energy == min(min(each) for each in result.energies)


@pytest.mark.usefixtures("thorough")
def test_bitstrings_that_are_all_wrong_are_corrected(chain: Experiment) -> None:
    counts = uniform(8, 4000).counts
    wrong = {
        bits: n for bits, n in counts.items() if bits[:4].count("1") + bits[4:].count("1") != 4
    }
    result = found(chain, bitstrings(wrong))
    assert result.valid_fraction == 0
    assert result.energy < result.reference - 1e-3


@pytest.mark.usefixtures("thorough")
def test_the_same_seed_gives_the_same_digits(chain: Experiment) -> None:
    sample = uniform(8, 300)
    first, again = (found(chain, sample, 3, 6, 4, 4, 7) for _ in range(2))
    assert first.model_dump(exclude={"execution"}) == again.model_dump(exclude={"execution"})


@pytest.mark.usefixtures("thorough")
def test_the_number_of_ranks_changes_no_digit(chain: Experiment, tmp_path: Path) -> None:
    arguments = (chain, uniform(8, 300), 3, 6, 4, 4, 7)
    executor = PsiJExecutor("mpi", tmp_path / "tasks")
    executor.start()
    try:
        shared = executor.submit(diagonalize, {"num_ranks": 2}, *arguments).result(PATIENCE_S)
    finally:
        executor.shutdown()
    assert shared.execution.n_ranks == 2
    alone = found(*arguments)
    assert shared.model_dump(exclude={"execution"}) == alone.model_dump(exclude={"execution"})


def test_bitstrings_of_another_problem(chain: Experiment) -> None:
    with pytest.raises(ResultError, match="8 qubits"):
        diagonalize(chain, bitstrings({"0101": 1}))


def test_what_cannot_be_diagonalized_is_refused(tmp_path: Path) -> None:
    (tmp_path / "h2.fcidump").write_text(H2)
    cases = {
        "problem.kind": parse_experiment({"name": "x", "problem": {"kind": "bell"}}),
        "problem.mapping": asked(tmp_path, fcidump="h2.fcidump", mapping="parity"),
        "quantum.mitigation": asked(tmp_path, {"mitigation": "zne"}, fcidump="h2.fcidump"),
    }
    for key, experiment in cases.items():
        with pytest.raises(ConfigurationError) as caught:
            check_diagonalization(experiment)
        assert caught.value.key == key


def test_a_missing_package_names_its_extra(
    hydrogen: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"hybrid-parsl\[sqd\]"):
        check_diagonalization(hydrogen)


@pytest.mark.usefixtures("thorough")
def test_how_it_is_shown(hydrogen: Experiment) -> None:
    result = found(hydrogen, bitstrings({"0101": 90, "1010": 9, "1111": 1}))
    lines = dict(result.summary_lines())
    assert lines["energy"].startswith("-1.137306 Ha  (")
    assert lines["determinants"] == "4 of 4"
    rows = {row[0]: row[1] for row in result.report_section().rows}
    assert rows["Hartree-Fock energy (Hartree)"] == "-1.116999"
    assert rows["shots with the right numbers of electrons"] == "99.0%"
