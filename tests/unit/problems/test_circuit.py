"""Circuits from files: what is read, what is refused, and what the search finds."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm2, qasm3, qpy
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import Operator

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.problems.registry import build_problem, embed_files
from hybrid_parsl.stages.check import check_experiment
from hybrid_parsl.stages.search import search

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.experiment import Experiment

TERMS = [["Z0 Z1", 1.0], ["X0", 0.5]]


def ansatz() -> QuantumCircuit:
    """Return a circuit whose parameters are not in the order of its gates."""
    beta, alpha = Parameter("beta"), Parameter("alpha")
    circuit = QuantumCircuit(2)
    circuit.ry(beta, 0)
    circuit.cx(0, 1)
    circuit.ry(2 * alpha + 0.1, 1)
    return circuit


def write(path: Path, circuit: QuantumCircuit) -> str:
    """Write a circuit in the format of the suffix, and return the name of the file."""
    if path.suffix == ".qpy":
        with path.open("wb") as file:
            qpy.dump(circuit, file)
    else:
        path.write_text(qasm3.dumps(circuit))
    return path.name


def read(folder: Path, name: str, **keys: Any) -> Experiment:
    problem = {"kind": "circuit", "circuit": name, "observable": TERMS, **keys}
    return embed_files(parse_experiment({"name": "x", "problem": problem}), folder)


def refusal(folder: Path, content: str | bytes, **keys: Any) -> ConfigurationError:
    (folder / "bad").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as caught:
        build_problem(read(folder, "bad", **keys).problem)
    return caught.value


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("name", ["ansatz.qpy", "ansatz.qasm"])
def test_parameters_are_sorted_by_name(tmp_path: Path, name: str) -> None:
    asked = read(tmp_path, write(tmp_path / name, ansatz()))
    assert "2 qubits, 2 parameters" in str(asked.problem.read_from)
    problem = build_problem(asked.problem)
    alpha, beta = 0.3, -0.7
    expected = QuantumCircuit(2)
    expected.ry(beta, 0)
    expected.cx(0, 1)
    expected.ry(2 * alpha + 0.1, 1)
    assert Operator(problem.circuit([alpha, beta])) == Operator(expected)
    np.testing.assert_allclose(problem.bounds(5), [[-np.pi, np.pi]] * 2)
    with pytest.raises(ConfigurationError, match="number of angles"):
        problem.circuit([0.1])


@pytest.mark.usefixtures("thorough")
def test_the_search_has_exact_gradients(tmp_path: Path) -> None:
    asked = read(tmp_path, write(tmp_path / "a.qpy", ansatz()), angles=[0.0, 3.0])
    check_experiment(asked)
    found = search(asked)
    assert found.method == "multistart"
    lowest = np.linalg.eigvalsh(build_problem(asked.problem).observable().to_matrix())[0]
    assert lowest - 1e-9 <= found.energy < -0.99


@pytest.mark.usefixtures("thorough")
def test_final_measurements_are_left_out(tmp_path: Path) -> None:
    circuit = ansatz()
    circuit.measure_all()
    problem = build_problem(read(tmp_path, write(tmp_path / "a.qpy", circuit)).problem)
    assert not problem.circuit([0.1, 0.2]).clbits


@pytest.mark.usefixtures("thorough")
def test_elements_of_a_vector_are_sorted_by_number(tmp_path: Path) -> None:
    angles = ParameterVector("t", 11)
    circuit = QuantumCircuit(2)
    for index in (10, *range(10)):
        circuit.rz(angles[index], index % 2)
    problem = build_problem(read(tmp_path, write(tmp_path / "a.qpy", circuit)).problem)
    bound = problem.circuit(list(range(11)))
    assert bound.data[0].operation.params[0] == 10


HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float a;\nqubit[2] q;\n'


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "not a circuit"),
        ("hello", "not a circuit"),
        ("OPENQASM 4.0;", "not a circuit"),
        (b"\xff\xfe", "neither QPY nor text"),
        (b"QISKIT", "version"),
        (b"QISKIT\x0c" + b"\0" * 40, "version"),
        (b"QISKIT\x0d" + b"\0" * 40, "cannot be read as qpy"),
        (b"QISKIT\xff" + b"\xff" * 40, "cannot be read as qpy"),
        ("OPENQASM 3.0;\nqubit[2", "cannot be read as openqasm3"),
        (HEAD + "for int i in [0:3] { rx(a) q[0]; }\n", "before its end"),
        (HEAD + "bit c;\nc = measure q[0];\nrx(a) q[0];\n", "before its end"),
        (HEAD + "rx(a) q[0];\nreset q[0];\nrx(a) q[0];\n", "before its end"),
        (HEAD + 'include "other.inc";\n', "cannot be read as openqasm3"),
        (qasm2.dumps(QuantumCircuit(2)), "no parameters"),
        ('OPENQASM 2.0;\ninclude "/etc/hostname";\n', "cannot be read as openqasm2"),
        (HEAD.replace("[2]", "[3]") + "rx(a) q[0];\n" * 2, ""),
        ("x" * 2**20, "too large"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, content: str | bytes, told: str) -> None:
    if not told:  # labels that name qubits are on as many as the circuit has
        (tmp_path / "good").write_text(str(content))
        assert build_problem(read(tmp_path, "good").problem).observable().num_qubits == 3
        return
    error = refusal(tmp_path, content)
    assert told in error.message
    assert error.key == "problem.circuit"


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("version", [b"\x0c", b"\x0d"])
def test_a_bad_circuit_inside_an_experiment_is_refused(tmp_path: Path, version: bytes) -> None:
    held = {"format": "qpy", "text": base64.b64encode(b"QISKIT" + version + b"\0" * 40).decode()}
    problem = {"kind": "circuit", "circuit": held, "observable": [["ZZ", 1.0]]}
    asked = parse_experiment({"name": "x", "problem": problem})
    for make in (lambda: embed_files(asked, tmp_path), lambda: build_problem(asked.problem)):
        with pytest.raises(ConfigurationError, match=r"version|cannot be read") as caught:
            make()
        assert caught.value.key == "problem.circuit"


@pytest.mark.usefixtures("thorough")
def test_a_file_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, HEAD.replace("[2]", "[900000000]") + "rx(a) q[0];\n")
    assert "cannot be read as openqasm3" in error.message


@pytest.mark.usefixtures("thorough")
def test_an_observable_of_another_size_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.qpy", ansatz())
    asked = read(tmp_path, "a.qpy", observable=[["ZZZ", 1.0]])
    with pytest.raises(ConfigurationError, match="another number of qubits") as caught:
        build_problem(asked.problem)
    assert caught.value.key == "problem.observable"


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("angles", [[1.0, 0.0], [0.0], "all", [0.0, float("inf")]])
def test_a_range_of_angles_that_is_none(tmp_path: Path, angles: Any) -> None:
    write(tmp_path / "a.qpy", ansatz())
    with pytest.raises(ConfigurationError) as caught:
        build_problem(read(tmp_path, "a.qpy", angles=angles).problem)
    assert str(caught.value.key).startswith("problem.angles")
