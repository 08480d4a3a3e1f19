from __future__ import annotations

from hybrid_parsl.report.captions import caption


def test_the_caption_of_a_circuit_says_what_ran_on_the_device() -> None:
    quantum = {"circuit": {"n_qubits": 4, "depth": 6, "n_gates": 11}}
    plain = caption("circuit", {"quantum": quantum})
    assert plain.endswith("4 qubits, depth 6, 11 gates.")
    transpiled = {"depth": 31, "two_qubit_gates": 9}
    on_device = caption("circuit", {"quantum": {**quantum, "transpiled": transpiled}})
    assert on_device == f"{plain} On the device: depth 31, 9 two-qubit gates."
    assert caption("circuit", {"quantum": {**quantum, "transpiled": None}}) == plain
