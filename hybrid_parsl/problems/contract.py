"""Checks a problem against `hybrid_parsl.problems.Problem` before a run relies on it.

A wrong shape, sign or value would otherwise come up in the middle of a run, or not at all.
"""

from __future__ import annotations

import math
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.errors import ConfigurationError, HybridParslError, ResultError
from hybrid_parsl.messages import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from qiskit.quantum_info import SparsePauliOp

    from hybrid_parsl.problems.problem import Problem

_KEY = "problem.kind"
_AXES = 2
_MOST_COMPARED = 8
_MOST_ENUMERATED = 14  # qubits whose whole diagonal is compared
_MOST_EVOLVED = 8  # qubits whose alternating state is compared
_TOLERANCE = 1e-6  # of the sum of the magnitudes of the coefficients, but that of the identity
_ROUNDING = 1e-12  # of the coefficient of the identity


def check_contract(problem: Problem, layers: int) -> None:
    """Check what can be checked of a problem without its circuit or its whole cost.

    Parameters
    ----------
    problem
        The problem.
    layers
        Layers of its circuit, at least 1.

    Raises
    ------
    ConfigurationError
        If a method raises an error, or returns something else than it should.
    """
    from hybrid_parsl.problems.problem import Problem

    bounds = _answer("bounds(layers)", lambda: np.asarray(problem.bounds(layers), dtype=float))
    shape = bounds.shape
    if len(shape) != _AXES or shape[0] < 1 or shape[1] != _AXES:
        found = f"shape {shape}"
        raise _refusal("bounds(layers)", found, "shape (n_parameters, 2)")
    if not (np.isfinite(bounds).all() and (bounds[:, 0] <= bounds[:, 1]).all()):
        found = str(bounds.tolist())
        raise _refusal("bounds(layers)", found, "finite numbers, the lower one first")
    n_qubits = _answer("n_qubits", lambda: index(problem.n_qubits))
    if n_qubits < 1:
        raise _refusal("n_qubits", repr(n_qubits), "a whole number, at least 1")
    own = type(problem).spectrum is not Problem.spectrum  # ours is right, and may take a minute
    spectrum = _answer("spectrum()", problem.spectrum) if own else None
    if spectrum is not None and not _is_range(spectrum):
        found = repr(spectrum)
        raise _refusal("spectrum()", found, "None, or the lowest and the highest cost")
    if not gives_energies(problem):
        return
    two = ["0" * n_qubits, "1" * n_qubits]
    energies = _answer("energies(bitstrings)", lambda: problem.energies(two))
    if fault := _fault_of(energies, len(two)):
        raise _refusal("energies(bitstrings)", fault, "one finite number a bitstring")


def gives_energies(problem: Problem) -> bool:
    """Return whether a problem gives the cost of a bitstring.

    It does if its observable is diagonal, or if it defines `energies` itself.

    Raises
    ------
    ConfigurationError
        If its observable cannot be made, or is not a SparsePauliOp.
    """
    from hybrid_parsl.problems.pauli_sum import is_diagonal
    from hybrid_parsl.problems.problem import Problem

    return type(problem).energies is not Problem.energies or is_diagonal(_observable(problem))


def compare_with_observable(problem: Problem, layers: int) -> None:
    """Compare what a problem says about its cost with its observable, on a few states.

    The whole diagonal is compared up to 14 qubits, and the alternating circuit up to 8.

    Parameters
    ----------
    problem
        A problem that `check_contract` has passed.
    layers
        Layers of its circuit, at least 1.

    Raises
    ------
    ConfigurationError
        If they disagree, or a method raises an error; it names both values.
    """
    observable = _observable(problem)
    _compare_widths(problem, observable, layers)
    if gives_energies(problem):
        _compare_states(problem, observable)
    if observable.num_qubits <= _MOST_ENUMERATED:
        _compare_diagonal(problem, observable)
    _compare_spectrum(problem, observable)
    if problem.ansatz == "alternating" and observable.num_qubits <= _MOST_EVOLVED:
        _compare_alternating(problem, observable, layers)


def compared_states(n_qubits: int) -> list[str]:
    """Return up to 8 bitstrings: all, or the first, the last and some drawn ones."""
    if 2**n_qubits <= _MOST_COMPARED:
        return [f"{state:0{n_qubits}b}" for state in range(2**n_qubits)]
    bits = np.random.default_rng(n_qubits).integers(0, 2, (_MOST_COMPARED, n_qubits))
    bits[0], bits[-1] = 0, 1
    return ["".join(map(str, row)) for row in bits.tolist()]


def energies_of(problem: Problem, bitstrings: Sequence[str]) -> NDArray[float64]:
    """Return the cost of each bitstring, shape ``(len(bitstrings),)``, all finite.

    Raises
    ------
    ResultError
        If the problem gives something else.
    """
    energies = problem.energies(bitstrings)
    if fault := _fault_of(energies, len(bitstrings)):
        reason = f"energies() of the problem gave {fault} for {len(bitstrings)} bitstrings"
        raise ResultError(reason)
    return np.asarray(energies, dtype=float)


def check_diagonal(diagonal: NDArray[float64], n_qubits: int) -> None:
    """Check the cost of every basis state of `n_qubits` qubits.

    Raises
    ------
    ConfigurationError
        If it has another shape, or holds something that is no finite number.
    """
    if diagonal.shape != (2**n_qubits,):
        found = f"shape {diagonal.shape}"
        raise _refusal("cost_diagonal()", found, f"shape ({2**n_qubits},) for {n_qubits} qubits")
    if not math.isfinite(float(diagonal.min())) or not math.isfinite(float(diagonal.max())):
        raise _refusal("cost_diagonal()", "a number that is not finite", "finite numbers")


def compare_diagonal(diagonal: NDArray[float64], observable: SparsePauliOp) -> None:
    """Compare the costs of a few basis states with an observable.

    Parameters
    ----------
    diagonal
        The cost of every basis state, shape ``(2**n_qubits,)``.
    observable
        The cost as an operator.

    Raises
    ------
    ConfigurationError
        If they disagree; it names both values.
    """
    from hybrid_parsl.problems.pauli_sum import diagonal_energies

    states = compared_states(observable.num_qubits)
    found = diagonal[[int(bits, 2) for bits in states]]
    expected = diagonal_energies(observable, states)
    _compare(
        _tolerance(observable), [f"cost_diagonal()[0b{bits}]" for bits in states], found, expected
    )


def _observable(problem: Problem) -> SparsePauliOp:
    """Return the observable of a problem, which has to be one of Qiskit's."""
    from qiskit.quantum_info import SparsePauliOp

    observable = _answer("observable()", problem.observable)
    if not isinstance(observable, SparsePauliOp):
        raise _refusal("observable()", shown(observable), "a SparsePauliOp of Qiskit")
    return observable


def _compare_widths(problem: Problem, observable: SparsePauliOp, layers: int) -> None:
    """Compare the numbers of qubits of the problem, its circuit and its observable."""
    from qiskit import QuantumCircuit

    angles = [float(low) for low, _ in problem.bounds(layers)]
    circuit = _answer("circuit(parameters)", lambda: problem.circuit(angles))
    if not isinstance(circuit, QuantumCircuit):
        raise _refusal("circuit(parameters)", shown(circuit), "a QuantumCircuit of Qiskit")
    widths = {
        "n_qubits": index(problem.n_qubits),
        "circuit(parameters)": circuit.num_qubits,
        "observable()": observable.num_qubits,
    }
    if len(set(widths.values())) > 1:
        found = ", ".join(f"{name}: {width}" for name, width in widths.items())
        message = "has different numbers of qubits"
        raise ConfigurationError(message, None, _KEY, found, "the same number everywhere")


def _compare_states(problem: Problem, observable: SparsePauliOp) -> None:
    """Compare the energies of a few bitstrings."""
    from hybrid_parsl.problems.pauli_sum import diagonal_energies

    states = compared_states(observable.num_qubits)
    expected = diagonal_energies(observable, states)
    energies = _answer("energies(bitstrings)", lambda: problem.energies(states))
    if fault := _fault_of(energies, len(states)):
        raise _refusal("energies(bitstrings)", fault, "one finite number a bitstring")
    names = [f"energies() of {bits}" for bits in states]
    _compare(_tolerance(observable), names, np.asarray(energies, dtype=float), expected)


def _compare_diagonal(problem: Problem, observable: SparsePauliOp) -> None:
    """Compare the whole diagonal, if the observable has one."""
    from hybrid_parsl.problems.pauli_sum import cost_diagonal

    expected = cost_diagonal(observable)
    diagonal = _answer("cost_diagonal()", problem.cost_diagonal)
    if expected is None or diagonal is None:
        return
    found = np.asarray(diagonal, dtype=float)
    check_diagonal(found, observable.num_qubits)
    worst = int(np.argmax(np.abs(found - expected)))
    name = f"cost_diagonal()[0b{worst:0{observable.num_qubits}b}]"
    _compare(_tolerance(observable), [name], found[[worst]], expected[[worst]])


def _compare_spectrum(problem: Problem, observable: SparsePauliOp) -> None:
    """Compare the spectrum with that of a small observable, or with a few states of a large one."""
    from hybrid_parsl.problems.exact_spectrum import extreme_eigenvalues
    from hybrid_parsl.problems.pauli_sum import cost_diagonal, diagonal_energies

    spectrum, tolerance = problem.spectrum(), _tolerance(observable)
    if spectrum is None:
        return
    low, high = spectrum
    if observable.num_qubits <= _MOST_ENUMERATED:
        costs = cost_diagonal(observable)
        ends = extreme_eigenvalues(observable) if costs is None else (costs.min(), costs.max())
        if ends is not None and problem.spectrum_of_sector:
            low, high = max(low, ends[0] - tolerance), min(high, ends[1] + tolerance)
            _compare(tolerance, ["spectrum()"] * 2, np.array(spectrum), np.array([low, high]))
            return
        if ends is not None:
            names = ["lowest cost of spectrum()", "highest cost of spectrum()"]
            _compare(tolerance, names, np.array([low, high]), np.array(ends))
            return
    if problem.spectrum_of_sector:
        return
    states = compared_states(observable.num_qubits)
    for bits, energy in zip(states, diagonal_energies(observable, states).tolist(), strict=True):
        if not low - tolerance <= energy <= high + tolerance:
            found = f"({low:g}, {high:g})"
            valid = f"a range that holds {energy:g}, the value of its observable in state {bits}"
            raise _refusal("spectrum()", found, valid)


def _compare_alternating(problem: Problem, observable: SparsePauliOp, layers: int) -> None:
    """Compare the circuit with the alternating-operator state that the kernels simulate."""
    from qiskit.quantum_info import Statevector

    from hybrid_parsl.problems.pauli_sum import cost_diagonal

    costs = cost_diagonal(observable)
    if costs is None:
        valid = "terms of I and Z only, as the kernels take them, or ansatz = 'circuit'"
        raise _refusal("observable()", shown(observable.paulis.to_labels()), valid)
    bounds = np.asarray(problem.bounds(layers), dtype=float)
    if len(bounds) != 2 * layers:
        found = f"{len(bounds)} rows"
        raise _refusal("bounds(layers)", found, f"{2 * layers}: gammas, then betas")
    low, high = bounds.T
    angles = low + (high - low) * np.random.default_rng(0).random(len(bounds))
    circuit = _answer("circuit(parameters)", lambda: problem.circuit(angles.tolist()))
    energy = float(Statevector(circuit).probabilities() @ costs)
    expected = float(np.abs(alternating_state(costs, angles)) ** 2 @ costs)
    name = f"energy of circuit({np.round(angles, 3).tolist()})"
    state = "the alternating-operator state of its observable"
    _compare(_tolerance(observable), [name], np.array([energy]), np.array([expected]), state)


def alternating_state(costs: NDArray[float64], angles: NDArray[float64]) -> NDArray[Any]:
    """Return ``prod_l exp(-i beta_l B) exp(-i gamma_l C) |+>``, B the sum of the Pauli X.

    Parameters
    ----------
    costs
        The diagonal of C, shape ``(2**n_qubits,)``.
    angles
        The gammas and then the betas in radians, shape ``(2 * layers,)``.
    """
    state = np.full(len(costs), len(costs) ** -0.5, dtype=np.complex128)
    for gamma, beta in angles.reshape(2, -1).T:
        state *= np.exp(-1j * gamma * costs)
        for qubit in range(len(costs).bit_length() - 1):
            pairs = state.reshape(-1, 2, 2**qubit)
            turned = np.cos(beta) * pairs - 1j * np.sin(beta) * pairs[:, ::-1]
            state = turned.reshape(-1)
    return state


def _tolerance(observable: SparsePauliOp) -> float:
    """Return the largest difference of two energies that rounding errors may explain."""
    is_identity = ~(observable.paulis.x | observable.paulis.z).any(axis=1)
    sizes = np.abs(observable.coeffs)
    return float(_TOLERANCE * sizes[~is_identity].sum() + _ROUNDING * sizes[is_identity].sum())


def _compare(
    tolerance: float,
    names: Sequence[str],
    found: NDArray[float64],
    expected: NDArray[float64],
    reference: str = "its observable",
) -> None:
    """Refuse values that differ from those of the observable by more than rounding errors.

    Raises
    ------
    ConfigurationError
        If any does; it names the first with both values.
    """
    for name, value, right in zip(names, found.tolist(), expected.tolist(), strict=True):
        if abs(value - right) <= tolerance:
            continue
        flipped = abs(value + right) <= tolerance
        relation = "has the opposite sign of" if flipped else "differs from"
        message = f"its {name} {relation} {reference}"
        raise ConfigurationError(message, None, _KEY, f"{value:.12g}", f"{right:.12g}")


def _answer(method: str, call: Callable[[], Any]) -> Any:
    """Return what a method returns.

    Raises
    ------
    ConfigurationError
        If it raises an error.
    """
    try:
        return call()
    except HybridParslError:
        raise
    except Exception as error:  # a plug-in may raise anything
        message = f"its {method} raises {type(error).__name__}: {error}"
        raise ConfigurationError(message, None, _KEY) from error


def _refusal(method: str, found: str, valid: str) -> ConfigurationError:
    """Return the error of a method that returns something else than it should."""
    message = f"its {method} is not what a problem has to give"
    return ConfigurationError(message, None, _KEY, found, valid)


def _is_range(spectrum: Any) -> bool:
    """Return whether `spectrum` is two finite numbers in order."""
    try:
        low, high = (float(each) for each in spectrum)
    except (TypeError, ValueError):
        return False
    return math.isfinite(low) and math.isfinite(high) and low <= high


def _fault_of(energies: Any, n_wanted: int) -> str:
    """Return what is wrong with the costs of some bitstrings; nothing if all is well."""
    try:
        numbers = np.asarray(energies, dtype=float)
    except (TypeError, ValueError):
        return repr(energies)
    if numbers.shape != (n_wanted,):
        return f"shape {numbers.shape}"
    return "" if np.isfinite(numbers).all() else "a number that is not finite"
