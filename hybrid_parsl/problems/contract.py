"""Holds the classes of others to what `hybrid_parsl.problems.protocol.Problem` says.

A wrong shape or a number that is none would else come up in the middle of a run, or not at all.
"""

from __future__ import annotations

import math
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_parsl.errors import ConfigurationError, HybridParslError, ResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.problems.protocol import Problem

_AXES = 2


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
        A method raises an error, or returns something else than it should.
    """
    n_qubits = _answer("n_qubits", lambda: index(problem.n_qubits))
    if n_qubits < 1:
        raise _refusal("n_qubits", repr(n_qubits), "a whole number, at least 1")
    bounds = _answer("bounds(layers)", lambda: np.asarray(problem.bounds(layers), dtype=float))
    shape = bounds.shape
    if len(shape) != _AXES or shape[0] < 1 or shape[1] != _AXES:
        found = f"shape {shape}"
        raise _refusal("bounds(layers)", found, "shape (n_parameters, 2)")
    if not (np.isfinite(bounds).all() and (bounds[:, 0] <= bounds[:, 1]).all()):
        found = str(bounds.tolist())
        raise _refusal("bounds(layers)", found, "finite numbers, the lower one first")
    spectrum = _answer("spectrum()", problem.spectrum)
    if spectrum is not None and not _is_range(spectrum):
        found = repr(spectrum)
        raise _refusal("spectrum()", found, "None, or the lowest and the highest cost")
    two = ["0" * n_qubits, "1" * n_qubits]
    energies = _answer("energies(bitstrings)", lambda: problem.energies(two))
    if fault := _fault_of(energies, len(two)):
        raise _refusal("energies(bitstrings)", fault, "one finite number a bitstring")


def energies_of(problem: Problem, bitstrings: Sequence[str]) -> NDArray[float64]:
    """Return the cost of each bitstring, shape ``(len(bitstrings),)``, all finite.

    Raises
    ------
    ResultError
        The problem gives something else.
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
        It has another shape, or holds something that is no finite number.
    """
    if diagonal.shape != (2**n_qubits,):
        found = f"shape {diagonal.shape}"
        raise _refusal("cost_diagonal()", found, f"shape ({2**n_qubits},) for {n_qubits} qubits")
    if not math.isfinite(float(diagonal.min())) or not math.isfinite(float(diagonal.max())):
        raise _refusal("cost_diagonal()", "a number that is not finite", "finite numbers")


def _answer(method: str, call: Callable[[], Any]) -> Any:
    """Return what a method says.

    Raises
    ------
    ConfigurationError
        It raises an error.
    """
    try:
        return call()
    except HybridParslError:
        raise
    except Exception as error:  # the class is anybody's
        message = f"its {method} raises {type(error).__name__}: {error}"
        raise ConfigurationError(message, None, "problem.kind") from error


def _refusal(method: str, found: str, valid: str) -> ConfigurationError:
    """Return the error of a method that says something else than it should."""
    message = f"its {method} is not what a problem has to give"
    return ConfigurationError(message, None, "problem.kind", found, valid)


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
