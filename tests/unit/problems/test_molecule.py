"""Molecules: their energies against published ones, both circuits, and what is refused."""

from __future__ import annotations

import importlib.util
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fcidump_files import GROUND, H2, HARTREE_FOCK
from qiskit.quantum_info import Statevector
from services import require

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.problems.electrons import read_fcidump
from hybrid_parsl.problems.registry import build_problem, embed_files
from hybrid_parsl.stages.check import check_experiment
from hybrid_parsl.stages.search import search

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.experiment import Experiment

GEOMETRY = "H 0 0 0; H 0 0 0.735"
MAPPINGS = pytest.mark.parametrize("mapping", ["jordan_wigner", "parity"])


@pytest.fixture(scope="session")
def pyscf() -> None:
    available = importlib.util.find_spec("pyscf") is not None
    require("pyscf", "hybrid-parsl[molecule]", available=available)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "h2.fcidump").write_text(H2)
    return tmp_path


def asked(folder: Path, ansatz: dict[str, Any] | None = None, **keys: Any) -> Experiment:
    problem = {"kind": "molecule", **keys}
    table = {"name": "x", "problem": problem, "ansatz": ansatz or {}, "search": {"starts": 2}}
    return embed_files(parse_experiment(table), folder)


def hydrogen(folder: Path, ansatz: dict[str, Any] | None = None, **keys: Any) -> Experiment:
    return asked(folder, ansatz, fcidump="h2.fcidump", **keys)


def energy(problem: Any, angles: Any) -> float:
    return float(Statevector(problem.circuit(angles)).expectation_value(problem.observable()).real)


@MAPPINGS
def test_hydrogen_from_a_file(folder: Path, mapping: str) -> None:
    experiment = hydrogen(folder, mapping=mapping)
    problem = build_problem(experiment.problem)
    assert problem.n_qubits == (4 if mapping == "jordan_wigner" else 2)
    assert problem.spectrum()[0] == pytest.approx(GROUND, abs=1e-9)
    assert problem.bounds(1).shape == (3, 2)
    assert problem.bounds(2).shape == (6, 2)
    assert energy(problem, [0.0] * 3) == pytest.approx(HARTREE_FOCK, abs=1e-9)
    check_experiment(experiment)
    assert search(experiment).energy == pytest.approx(GROUND, abs=1e-8)


@MAPPINGS
def test_the_hardware_efficient_circuit(folder: Path, mapping: str) -> None:
    experiment = hydrogen(folder, {"kind": "efficient_su2", "layers": 2}, mapping=mapping)
    problem = build_problem(experiment.problem)
    assert len(problem.bounds(2)) == 6 * problem.n_qubits
    check_experiment(experiment)
    assert search(experiment).energy == pytest.approx(GROUND, abs=1e-5)


@MAPPINGS
def test_an_excitation_is_a_rotation(folder: Path, mapping: str) -> None:
    """exp(t (T - T+)) of the double excitation: cos t of one state, sin t of the other."""
    problem = build_problem(hydrogen(folder, mapping=mapping).problem)
    start = Statevector(problem.circuit([0.0] * 3)).data
    state = Statevector(problem.circuit([0.0, 0.0, 0.3])).data
    assert np.vdot(start, state).real == pytest.approx(np.cos(0.3))
    assert np.count_nonzero(abs(state) > 1e-9) == 2


def test_both_mappings_give_the_same_energies(folder: Path) -> None:
    problems = [
        build_problem(hydrogen(folder, mapping=mapping).problem)
        for mapping in ("jordan_wigner", "parity")
    ]
    angles = np.random.default_rng(0).normal(size=6).tolist()
    first, second = (energy(problem, angles) for problem in problems)
    assert first == pytest.approx(second, abs=1e-10)


def test_what_was_read_is_recorded(folder: Path) -> None:
    experiment = hydrogen(folder)
    assert "h2.fcidump: operator, format fcidump, 4 qubits, 15 terms, 1 + 1 electrons" in str(
        experiment.problem.read_from
    )
    (folder / "h2.fcidump").unlink()
    again = parse_experiment(experiment.model_dump(mode="json", exclude_none=True))
    assert embed_files(again, folder) == experiment
    problem = build_problem(experiment.problem)
    copied = pickle.loads(pickle.dumps(problem))
    assert copied.observable() == problem.observable()


def test_the_integrals_are_kept(folder: Path) -> None:
    problem = build_problem(hydrogen(folder).problem)
    kept, read = problem.electrons(), read_fcidump(H2, "h2")
    assert np.array_equal(kept.one_body, read.one_body)
    assert np.array_equal(kept.two_body, read.two_body)
    assert (kept.constant, kept.counts) == (read.constant, read.counts)
    assert kept.reference_energy() == pytest.approx(HARTREE_FOCK, abs=1e-9)


@pytest.mark.parametrize("integrals", [None, {"constant": 0.0, "one_body": [1.0], "two_body": []}])
def test_a_molecule_without_its_integrals(folder: Path, integrals: Any) -> None:
    table = hydrogen(folder).model_dump(mode="json", exclude_none=True)
    table["problem"]["hamiltonian"]["integrals"] = integrals
    problem = build_problem(parse_experiment(table).problem)
    with pytest.raises(ConfigurationError) as caught:
        problem.electrons()
    assert str(caught.value.key).startswith("problem.hamiltonian")


def test_another_key_needs_another_hamiltonian(folder: Path) -> None:
    table = hydrogen(folder).model_dump(mode="json", exclude_none=True)
    table["problem"]["mapping"] = "parity"
    with pytest.raises(ConfigurationError) as caught:
        build_problem(parse_experiment(table).problem)
    assert caught.value.key == "problem.hamiltonian"
    found = embed_files(parse_experiment(table), folder)
    assert build_problem(found.problem).n_qubits == 2


def test_a_hamiltonian_that_was_not_computed() -> None:
    table = {"name": "x", "problem": {"kind": "molecule", "geometry": GEOMETRY}}
    with pytest.raises(ConfigurationError) as caught:
        build_problem(parse_experiment(table).problem)
    assert caught.value.key == "problem.hamiltonian"


@pytest.mark.parametrize(
    "changes",
    [
        {"orbitals": 3},
        {"orbitals": 30},
        {"alpha": 3},
        {"alpha": -1},
        {"terms": {}},
        {"terms": {"IIII": 1.0}},
        {"terms": {"ZZ": 1.0}},
        {"terms": {"ZZZA": 1.0}},
        {"terms": {"ZZZZ": "1"}},
        {"terms": {"ZZZZ": 1e200}},
        {"terms": [["ZZZZ", 1.0]]},
        {"made_of": 1},
        {"more": 1},
        {"integrals": 1},
    ],
)
def test_a_damaged_hamiltonian_is_refused(folder: Path, changes: dict[str, Any]) -> None:
    table = hydrogen(folder).model_dump(mode="json", exclude_none=True)
    table["problem"]["hamiltonian"] |= changes
    with pytest.raises(ConfigurationError) as caught:
        build_problem(embed_files(parse_experiment(table), folder).problem)
    assert str(caught.value.key).startswith("problem.hamiltonian")


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({}, "problem"),
        ({"geometry": GEOMETRY, "fcidump": "h2.fcidump"}, "problem"),
        ({"fcidump": "none"}, "problem.fcidump"),
        ({"fcidump": 3}, "problem.fcidump"),
        ({"geometry": "H"}, "problem.geometry"),
        ({"geometry": 3}, "problem.geometry"),
        ({"geometry": GEOMETRY, "basis": "/etc/passwd"}, "problem.basis"),
        ({"geometry": GEOMETRY, "basis": ""}, "problem.basis"),
        ({"geometry": GEOMETRY, "charge": 0.5}, "problem.charge"),
        ({"geometry": GEOMETRY, "charge": 21}, "problem.charge"),
        ({"geometry": GEOMETRY, "spin": -1}, "problem.spin"),
        ({"geometry": GEOMETRY, "mapping": "bravyi_kitaev"}, "problem.mapping"),
        ({"geometry": GEOMETRY, "active_orbitals": 2}, "problem"),
        ({"geometry": GEOMETRY, "active_electrons": 2}, "problem"),
        ({"geometry": GEOMETRY, "active_electrons": 0, "active_orbitals": 2}, None),
        ({"fcidump": "h2.fcidump", "active_electrons": 2, "active_orbitals": 2}, None),
        ({"fcidump": "h2.fcidump", "unknown": 2}, "problem.unknown"),
    ],
)
def test_what_is_no_molecule_is_refused(folder: Path, keys: Any, key: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        asked(folder, **keys)
    assert caught.value.key == key or str(caught.value.key).startswith("problem.active_")


def test_electrons_without_an_excitation_are_refused(folder: Path) -> None:
    (folder / "h2.fcidump").write_text(H2.replace("NELEC= 2", "NELEC=4"))
    with pytest.raises(ConfigurationError, match="excited"):
        build_problem(hydrogen(folder).problem)


def test_the_alternating_circuit_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_problem(hydrogen(folder, {"kind": "alternating"}).problem)
    assert caught.value.key == "ansatz.kind"
    assert caught.value.valid == "uccsd, efficient_su2"


@pytest.mark.usefixtures("pyscf")
@MAPPINGS
def test_hydrogen_from_pyscf(tmp_path: Path, mapping: str) -> None:
    experiment = asked(tmp_path, geometry=GEOMETRY, mapping=mapping)
    found = search(experiment)
    assert found.energy == pytest.approx(-1.137306, abs=1e-6)


@pytest.mark.usefixtures("pyscf")
def test_the_spectrum_is_that_of_the_ion(tmp_path: Path) -> None:
    """The lowest of all numbers of electrons is that of the neutral molecule."""
    experiment = asked(tmp_path, geometry=GEOMETRY, charge=1, spin=1)
    problem = build_problem(experiment.problem)
    levels = np.linalg.eigvalsh(problem.observable().to_matrix())
    assert problem.spectrum()[0] > levels[0] + 0.1
    assert search(experiment).energy == pytest.approx(problem.spectrum()[0], abs=1e-8)


@pytest.mark.usefixtures("pyscf", "thorough")
def test_lithium_hydride(tmp_path: Path) -> None:
    experiment = asked(tmp_path, geometry="Li 0 0 0; H 0 0 1.5949")
    problem = build_problem(experiment.problem)
    assert (problem.n_qubits, len(problem.bounds(1))) == (12, 92)
    assert problem.spectrum()[0] == pytest.approx(-7.882403, abs=1e-6)
    assert search(experiment).energy == pytest.approx(-7.8824, abs=5e-5)


@pytest.mark.usefixtures("pyscf")
def test_an_active_space_of_lithium_hydride(tmp_path: Path) -> None:
    keys = {"active_electrons": 2, "active_orbitals": 3, "mapping": "parity"}
    experiment = asked(tmp_path, geometry="Li 0 0 0; H 0 0 1.5949", **keys)
    problem = build_problem(experiment.problem)
    assert problem.n_qubits == 4
    assert search(experiment).energy == pytest.approx(problem.spectrum()[0], abs=1e-6)
