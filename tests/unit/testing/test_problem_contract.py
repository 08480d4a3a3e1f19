"""The built-in problems pass the contract tests, and what breaks the contract fails them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fcidump_files import H2
from pydantic import BaseModel
from qiskit import QuantumCircuit

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import ProblemTable
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.problems.bell import Bell
from hybrid_parsl.problems.registry import build_problem, embed_files
from hybrid_parsl.testing.problem_contract import ProblemContract

TABLES: list[dict[str, Any]] = [
    {"kind": "bell"},
    {"kind": "maxcut", "nodes": 6},
    {"kind": "maxcut", "nodes": 5, "degree": 4, "weights": "uniform", "seed": 2},
    {"kind": "maxcut", "nodes": 20},
    {"kind": "ising", "h": [1.0, -0.5, 0.0], "J": [[0, 1, 2.0], [1, 2, -1.0]], "offset": 5.0},
    {"kind": "ising", "qubo": [[1.0, -2.0], [0.0, 3.0]]},
    {"kind": "tfim", "sites": 5, "periodic": True},
    {"kind": "tfim", "sites": 4, "width": 2, "field": 0.0},
    {"kind": "heisenberg", "sites": 5, "field": -0.5},
    {"kind": "xxz", "sites": 6, "width": 3, "anisotropy": -0.5, "coupling": -1.0},
    {"kind": "pauli", "observable": [["XYZ", 0.5], ["ZZI", -1.0], ["III", 3.0]]},
    {"kind": "pauli", "observable": [["Z0 Z2", 0.5], ["Z1", -1.0]]},
]


class TestBuiltIn(ProblemContract):
    @pytest.fixture(params=TABLES, ids=str)
    def problem(self, request):
        return build_problem(ProblemTable.model_validate(request.param))


class TestHardwareEfficient(ProblemContract):
    @pytest.fixture(params=TABLES[6:], ids=str)
    def problem(self, request):
        table = ProblemTable.model_validate(request.param)
        return build_problem(table.with_ansatz_kind("efficient_su2"))


class TestMolecule(ProblemContract):
    @pytest.fixture(
        params=[
            ("uccsd", "jordan_wigner"),
            ("uccsd", "parity"),
            ("efficient_su2", "jordan_wigner"),
            ("efficient_su2", "parity"),
        ]
    )
    def problem(self, request, tmp_path):
        ansatz, mapping = request.param
        (tmp_path / "h2.fcidump").write_text(H2)
        table = {"kind": "molecule", "fcidump": "h2.fcidump", "mapping": mapping}
        asked = parse_experiment({"name": "x", "problem": table, "ansatz": {"kind": ansatz}})
        return build_problem(embed_files(asked, tmp_path).problem)


class WrongSign(Bell):
    def energies(self, bitstrings):
        return -super().energies(bitstrings)


class Measured(Bell):
    def circuit(self, parameters):
        circuit = super().circuit(parameters)
        circuit.measure_all()
        return circuit


class Random(Bell):
    def bounds(self, layers):
        return super().bounds(layers) + np.random.default_rng().random()


class Wider(Bell):
    def circuit(self, parameters):  # noqa: ARG002
        return QuantumCircuit(3)


class Loose(Bell):
    class Settings(BaseModel):
        pass


class Ordered(Bell):
    def energies(self, bitstrings):
        return super().energies(bitstrings) + np.arange(len(bitstrings))


class Imaginary(Bell):
    def observable(self):
        return 1j * super().observable()


@pytest.mark.parametrize(
    ("problem", "test", "error"),
    [
        (WrongSign(), "test_it_agrees_with_its_observable", ConfigurationError),
        (Wider(), "test_it_agrees_with_its_observable", ConfigurationError),
        (Measured(), "test_the_circuit_is_unitary", AssertionError),
        (Random(), "test_it_depends_on_its_arguments_alone", AssertionError),
        (Ordered(), "test_energies_do_not_depend_on_their_order", AssertionError),
        (Loose(), "test_settings_are_read_strictly", AssertionError),
        (Imaginary(), "test_the_observable_is_hermitian", AssertionError),
        (object(), "test_it_is_a_problem", AssertionError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Bell) else None,
)
def test_what_breaks_the_contract_fails(problem, test, error):
    with pytest.raises(error):
        vars(ProblemContract)[test](ProblemContract(), problem)
