from __future__ import annotations

from hybrid_parsl.report.captions import caption


def test_the_captions_of_a_circuit_and_of_what_ran_on_the_device() -> None:
    quantum = {"circuit": {"n_qubits": 4, "depth": 6, "n_gates": 11}, "transpiled": None}
    assert caption("circuit", {"quantum": quantum}).endswith("4 qubits, depth 6, 11 gates.")
    assert caption("layout", {"quantum": quantum}) == ""
    record = {"depth_before": 6, "depth": 31, "two_qubit_gates_before": 4, "two_qubit_gates": 9}
    words = caption("layout", {"quantum": {"transpiled": record}})
    assert words.endswith("turned depth 6 into 31, and 4 two-qubit gates into 9.")
    words = caption("layout", {"quantum": {"transpiled": {**record, "duration_s": 1.234e-6}}})
    assert words.endswith("into 9; one execution takes 1.23 µs.")
