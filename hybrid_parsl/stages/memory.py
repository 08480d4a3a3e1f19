"""Whether the ranks of a search, or a simulated sample, fit into the memory of a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_parsl.optimize.registry import load_optimizer
from hybrid_parsl.problems.ising_problem import IsingProblem
from hybrid_parsl.problems.settings import MOST_QUBITS
from hybrid_parsl.quantum.registry import open_backend
from hybrid_parsl.simulate.circuit_program import circuit_bytes
from hybrid_parsl.simulate.diagonal import diagonal_bytes
from hybrid_parsl.simulate.free_memory import check_memory
from hybrid_parsl.simulate.layout import required_bytes

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.problems.problem import Problem

_COST_BYTES = 8
_OUTCOME_BYTES = 400  # of a measured bitstring: as text in a sample and a result, and its energy
_SPIN_BYTES = 24  # of each of its spins while energies are computed


def check_search_memory(experiment: Experiment, problem: Problem, n_ranks: int) -> None:
    """Refuse a search whose states need more memory than is free on this host.

    Parameters
    ----------
    experiment
        Its tables ``[ansatz]`` and ``[search]`` are used.
    problem
        The problem that `experiment` describes.
    n_ranks
        How many ranks share this host, at least 1.

    Raises
    ------
    InsufficientMemoryError
        If they need more than is free; it names the key that decides on the number of qubits.
    """
    n_qubits = problem.n_qubits
    needed = n_ranks * _rank_bytes(experiment, problem, n_qubits)
    ranks = f"{n_ranks} ranks" if n_ranks > 1 else "1 rank"
    what = f"a search with {n_qubits} qubits on {ranks} of one host"

    def fitting(free: int) -> str:
        fits = f"{_most_qubits(experiment, problem, free // n_ranks)} qubits on {ranks}"
        alone = f", {_most_qubits(experiment, problem, free)} on 1 rank"
        return fits + alone if n_ranks > 1 else fits

    check_memory(needed, what, size_key(experiment, problem), fitting)


def check_sample_memory(experiment: Experiment, problem: Problem) -> None:
    """Refuse a simulation, or a number of shots, that needs more memory than is free.

    Parameters
    ----------
    experiment
        Its table ``[quantum]`` is used.
    problem
        The problem that `experiment` describes.

    Raises
    ------
    InsufficientMemoryError
        If it needs more; the error names the key that decides.
    """
    quantum, n_qubits = experiment.quantum, problem.n_qubits
    outcomes = min(quantum.shots, 2**n_qubits)
    each = _OUTCOME_BYTES + _SPIN_BYTES * n_qubits
    what = f"a sample of {outcomes} bitstrings"
    check_memory(
        outcomes * each, what, "quantum.shots", lambda free: f"at most {free // each} shots"
    )
    open_backend(quantum).check_memory(n_qubits, size_key(experiment, problem))


def size_key(experiment: Experiment, problem: Problem) -> str:
    """Return the dotted key that decides on the number of qubits of `problem`."""
    given = [key for key in problem.size_keys if key in experiment.problem.settings]
    return ".".join(["problem", *given[:1]])


def _most_qubits(experiment: Experiment, problem: Problem, available: int) -> int:
    """Return the largest number of qubits whose search takes at most `available` bytes."""
    sizes = range(1, MOST_QUBITS + 1)
    fitting = [n for n in sizes if _rank_bytes(experiment, problem, n) <= available]
    return max(fitting, default=0)


def _rank_bytes(experiment: Experiment, problem: Problem, n_qubits: int) -> int:
    """Return the bytes that one rank takes at most, with `n_qubits` qubits.

    The costs are made first; then they and the state are there, with its adjoint if gradients
    are wanted. A cost that is not known to lack the symmetry is taken to have it. Other circuits
    have a state and its adjoint.
    """
    if problem.ansatz == "circuit":
        return circuit_bytes(n_qubits)
    fields = isinstance(problem, IsingProblem) and problem.form.linear.any()
    gradients = load_optimizer(experiment.search).gradient != "unused"
    state = required_bytes(
        n_qubits,
        precision=experiment.search.precision,
        mirrored=not fields,
        layers=experiment.ansatz.layers if gradients else 0,
    )
    costs = 1 if isinstance(problem, IsingProblem) else 2  # one without the offset, a copy
    return max(diagonal_bytes(n_qubits), (costs * _COST_BYTES << n_qubits) + state)
