"""Energies, gradients and states against Qiskit, finite differences and each other."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError, InsufficientMemoryError
from hybrid_parsl.simulate import free_memory
from hybrid_parsl.simulate.alternating import (
    AlternatingState,
    ising_diagonal,
    required_bytes,
)
from hybrid_parsl.simulate.precompile import compile_kernels

_QUICK = settings(max_examples=20)


@st.composite
def problems(draw: st.DrawFn, most_qubits: int = 10) -> tuple[dict[str, Any], np.ndarray]:
    """Draw an Ising model (integer or real, with or without fields) and angles for it."""
    n = draw(st.integers(1, most_qubits))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(n) for j in range(i) if rng.random() < 0.6]
    whole, fields = draw(st.booleans()), draw(st.booleans())
    numbers = (lambda k: rng.integers(-3, 4, k)) if whole else (lambda k: rng.normal(size=k))
    linear = numbers(n) if fields else np.zeros(n)
    model = {
        "n_qubits": n, "linear": linear.astype(float), "pairs": pairs,
        "couplings": numbers(len(pairs)).astype(float), "offset": float(rng.normal()),
    }  # fmt: skip
    layers = draw(st.integers(1, 4))
    return model, rng.uniform(-4, 4, 2 * layers)


def qiskit_state(model: dict[str, Any], angles: np.ndarray) -> np.ndarray:
    """Return the amplitudes that Qiskit gives."""
    from qiskit.circuit import QuantumCircuit
    from qiskit.quantum_info import Statevector

    n = model["n_qubits"]
    circuit = QuantumCircuit(n)
    circuit.h(range(n))
    for gamma, beta in zip(*np.split(angles, 2), strict=True):
        for j, h in enumerate(model["linear"]):
            circuit.rz(2 * gamma * h, j)
        for (i, j), coupling in zip(model["pairs"], model["couplings"], strict=True):
            circuit.rzz(2 * gamma * coupling, i, j)
        circuit.rx(2 * beta, range(n))
        circuit.global_phase -= gamma * model["offset"]
    return np.asarray(Statevector(circuit).data)


@_QUICK
@given(problems())
def test_agrees_with_qiskit(problem: tuple[dict[str, Any], np.ndarray]) -> None:
    model, angles = problem
    cost = ising_diagonal(**model)
    expected = qiskit_state(model, angles)
    state = AlternatingState(cost, len(angles) // 2)
    np.testing.assert_allclose(state.statevector(angles), expected, atol=1e-12)
    np.testing.assert_allclose(state.probabilities(angles), np.abs(expected) ** 2, atol=1e-12)
    energy = float(np.abs(expected) ** 2 @ cost)
    assert state.energy(angles) == pytest.approx(energy, abs=1e-11)
    assert state.energy_and_gradient(angles)[0] == pytest.approx(energy, abs=1e-11)


@_QUICK
@given(problems())
def test_gradient_agrees_with_finite_differences(
    problem: tuple[dict[str, Any], np.ndarray],
) -> None:
    model, angles = problem
    cost = ising_diagonal(**model)
    state = AlternatingState(cost, len(angles) // 2)
    _, gradient = state.energy_and_gradient(angles)
    scale = max(1.0, float(np.abs(cost).max())) ** 2
    step = 1e-5
    for k, shift in enumerate(step * np.eye(len(angles))):
        difference = state.energy(angles + shift) - state.energy(angles - shift)
        assert gradient[k] == pytest.approx(difference / (2 * step), abs=1e-5 * scale)


@_QUICK
@given(problems())
def test_single_precision_is_close(problem: tuple[dict[str, Any], np.ndarray]) -> None:
    model, angles = problem
    cost = ising_diagonal(**model)
    double = AlternatingState(cost, len(angles) // 2)
    single = AlternatingState(cost, len(angles) // 2, precision="single")
    scale = max(1.0, float(np.abs(cost).max())) ** 2
    (e, g), (e1, g1) = (state.energy_and_gradient(angles) for state in (double, single))
    assert e1 == pytest.approx(e, abs=1e-5 * scale)
    np.testing.assert_allclose(g1, g, atol=1e-4 * scale)
    np.testing.assert_allclose(single.statevector(angles), double.statevector(angles), atol=1e-4)


@_QUICK
@given(problems())
def test_is_normalised_and_symmetric(problem: tuple[dict[str, Any], np.ndarray]) -> None:
    model, angles = problem
    model["linear"] = np.zeros(model["n_qubits"])
    state = AlternatingState(ising_diagonal(**model), len(angles) // 2)
    amplitudes = state.statevector(angles)
    assert np.linalg.norm(amplitudes) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(amplitudes, amplitudes[::-1], atol=1e-13)
    assert state.probabilities(angles).sum() == pytest.approx(1.0, abs=1e-12)


def ring(n: int, *, field: float = 0.0, weight: float = -0.5) -> np.ndarray:
    """Return the cost of cutting a ring with a chord at each qubit, and of a field."""
    pairs = [(i, (i + d) % n) for i in range(n) for d in (1, 3)]
    return ising_diagonal(n, np.full(n, field), pairs, np.full(2 * n, weight), float(n))


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("field", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("layers", [1, 2, 5])
def test_large_states_are_right(field: float, layers: int) -> None:
    """Past 15 qubits, the state is worked on in panels; layers may be saved or taken back."""
    n = 17
    cost = ring(n, field=field)
    angles = np.random.default_rng(5).uniform(-2, 2, 2 * layers)
    psi = np.full(2**n, 2 ** (-n / 2), dtype=complex)
    for gamma, beta in zip(*np.split(angles, 2), strict=True):
        psi = psi * np.exp(-1j * gamma * cost)
        for j in range(n):
            other = psi.reshape(-1, 2, 2**j)[:, ::-1].reshape(-1)
            psi = np.cos(beta) * psi - 1j * np.sin(beta) * other
    state = AlternatingState(cost, layers)
    np.testing.assert_allclose(state.statevector(angles), psi, atol=1e-12)
    energy, gradient = state.energy_and_gradient(angles)
    assert energy == pytest.approx(float(np.abs(psi) ** 2 @ cost), abs=1e-10)
    for k in (0, layers - 1, layers, 2 * layers - 1):
        shift = 1e-5 * np.eye(2 * layers)[k]
        difference = state.energy(angles + shift) - state.energy(angles - shift)
        assert gradient[k] == pytest.approx(difference / 2e-5, abs=1e-5)


@pytest.mark.parametrize("beta", [0.0, np.pi / 4, 1.3, np.pi / 2, 1.8, np.pi, -np.pi / 2])
@pytest.mark.parametrize("field", [0.0, 0.3])
def test_special_angles(beta: float, field: float) -> None:
    """tan(beta) is infinite at pi / 2, which must not show."""
    n = 6
    model = {
        "n_qubits": n, "linear": np.full(n, field), "pairs": [(0, 1), (1, 2), (3, 5)],
        "couplings": [1.0, -0.7, 0.4], "offset": 0.1,
    }  # fmt: skip
    angles = np.array([0.4, -0.9, beta, 0.7])
    state = AlternatingState(ising_diagonal(**model), 2)  # type: ignore[arg-type]
    np.testing.assert_allclose(state.statevector(angles), qiskit_state(model, angles), atol=1e-12)


_SCRIPT = """
import json, sys
import numpy as np
from hybrid_parsl.simulate.alternating import AlternatingState, ising_diagonal
out = []
for n, weight in ((9, -0.5), (16, 0.37)):
    pairs = [(i, (i + d) % n) for i in range(n) for d in (1, 3)]
    cost = ising_diagonal(n, np.zeros(n), pairs, np.full(2 * n, weight), float(n))
    energy, gradient = AlternatingState(cost, 3).energy_and_gradient(np.linspace(-1, 1, 6))
    out += [energy.hex(), *(float(g).hex() for g in gradient)]
print(json.dumps(out))
"""


def test_same_input_same_bits() -> None:
    here = []
    for n, weight in ((9, -0.5), (16, 0.37)):
        state = AlternatingState(ring(n, weight=weight), 3)
        angles = np.linspace(-1, 1, 6)
        first, second = (state.energy_and_gradient(angles) for _ in range(2))
        assert first[0] == second[0] == state.energy(angles)
        assert (first[1] == second[1]).all()
        here += [first[0].hex(), *(float(g).hex() for g in first[1])]
    there = subprocess.check_output([sys.executable, "-c", _SCRIPT], text=True)
    assert json.loads(there) == here


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("field", [0.0, 1.0])
def test_threads_change_nothing(field: float) -> None:
    cost = ring(18, field=field)
    angles = np.linspace(-1, 1, 8)
    one, two = AlternatingState(cost, 4), AlternatingState(cost, 4, threads=2)
    assert one.energy(angles) == two.energy(angles)
    (e1, g1), (e2, g2) = one.energy_and_gradient(angles), two.energy_and_gradient(angles)
    assert e1 == e2
    assert (g1 == g2).all()
    np.testing.assert_array_equal(one.statevector(angles), two.statevector(angles))


def test_releases_the_gil() -> None:
    state = AlternatingState(ring(20), 4)
    state.energy(np.full(8, 0.3))
    done = threading.Event()
    seen = 0

    def work() -> None:
        for _ in range(4):
            state.energy(np.full(8, 0.3))
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.wait(0.001):
        seen += 1
    thread.join()
    assert seen > 4  # this thread ran while the other one computed


def test_memory_is_checked_before_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = ring(12)
    state = AlternatingState(cost, 2)
    monkeypatch.setattr(free_memory, "available_bytes", lambda: 1000)
    monkeypatch.setattr(free_memory, "_PAUSE_S", 0)
    with pytest.raises(InsufficientMemoryError) as caught:
        AlternatingState(cost, 2)
    assert caught.value.available_bytes == 1000
    assert caught.value.required_bytes > 2**11 * 16
    assert isinstance(caught.value, ConfigurationError)
    assert state.energy(np.zeros(4)) == pytest.approx(cost.mean())  # has its memory
    for call in (state.energy_and_gradient, state.probabilities, state.statevector):
        with pytest.raises(InsufficientMemoryError):
            call(np.zeros(4))
    with pytest.raises(InsufficientMemoryError):
        ising_diagonal(10, np.zeros(10), [], [])


def test_required_bytes() -> None:
    vector = 16 * 2**24
    assert vector < required_bytes(24, layers=0) < 1.2 * vector
    assert required_bytes(24, layers=4) + vector / 2 < 3 * vector
    assert required_bytes(24, layers=4, mirrored=True) + vector / 2 < 3 * vector
    assert required_bytes(24, precision="single") < 0.6 * required_bytes(24)


def test_compile_kernels_says_how_long_it_took() -> None:
    compile_kernels()
    assert 0.0 <= compile_kernels() < 1.0


@pytest.mark.parametrize(
    ("cost", "layers", "options", "message"),
    [
        (np.zeros(3), 1, {}, r"cost has shape \(3,\)"),
        (np.zeros(1), 1, {}, r"cost has shape \(1,\)"),
        (np.zeros((2, 2)), 1, {}, r"cost has shape \(2, 2\)"),
        (np.array([0.0, np.nan]), 1, {}, "not finite"),
        (np.array([0.0, np.inf]), 1, {}, "not finite"),
        (np.zeros(4), 0, {}, "layers is 0; valid"),
        (np.zeros(4), 1, {"threads": 0}, "threads is 0; valid"),
        (np.zeros(4), 1, {"precision": "half"}, "precision is 'half'; valid"),
    ],
)
def test_bad_costs_and_options(
    cost: np.ndarray, layers: int, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        AlternatingState(cost, layers, **options)


def test_bad_parameters() -> None:
    state = AlternatingState(np.array([0.0, 1.0, 1.0, 0.0]), 2)
    assert (state.n_qubits, state.n_parameters) == (2, 4)
    for call in (
        state.energy, state.energy_and_gradient, state.probabilities, state.statevector
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"parameters has shape \(3,\); valid: \(4,\)"):
            call([0.1, 0.2, 0.3])
        with pytest.raises(ValueError, match="finite numbers"):
            call([0.1, 0.2, 0.3, np.nan])


def test_constant_cost() -> None:
    state = AlternatingState(np.full(8, 2.5), 1)
    energy, gradient = state.energy_and_gradient([0.3, 0.4])
    assert energy == pytest.approx(2.5)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-13)


@pytest.mark.parametrize("offset", [1e4, -1e6])
@pytest.mark.parametrize("precision", ["single", "double"])
def test_an_offset_of_the_cost_is_added_and_spoils_nothing(offset: float, precision: Any) -> None:
    generator = np.random.default_rng(7)
    cost, angles = generator.normal(size=2**6), generator.normal(size=6)
    bare = AlternatingState(cost, 3, precision="double")
    moved = AlternatingState(cost + offset, 3, precision=precision)
    energy, gradient = bare.energy_and_gradient(angles)
    energy_there, gradient_there = moved.energy_and_gradient(angles)
    assert energy_there - offset == pytest.approx(energy, abs=1e-4)
    assert moved.energy(angles) - offset == pytest.approx(energy, abs=1e-4)
    np.testing.assert_allclose(gradient_there, gradient, atol=2e-4)
    phase = np.exp(-1j * offset * angles[:3].sum())
    state = moved.statevector(angles)
    np.testing.assert_allclose(state, bare.statevector(angles) * phase, atol=1e-4)
