"""Sample-based quantum diagonalization: the lowest energy in the space of measured determinants."""

from __future__ import annotations

import importlib.util
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from hybrid_parsl.errors import ConfigurationError, ResultError
from hybrid_parsl.mpi.team import current_team
from hybrid_parsl.problems.molecule import Molecule
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.results import Diagonalization, Execution

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.optimize.team import Team
    from hybrid_parsl.problems.electrons import Electrons
    from hybrid_parsl.results import Bitstrings

_EXTRA = "pip install 'hybrid-parsl[sqd]'"
_MOST_DETERMINANTS = 10**6  # of the exact energy, some seconds
_TOLERANCE = 1e-11  # Hartree


def check_diagonalization(experiment: Experiment) -> None:
    """Refuse an experiment whose bitstrings do not stand for determinants.

    Raises
    ------
    ConfigurationError
        If its problem is not a molecule in the mapping of Jordan and Wigner, it asks for error
        mitigation, or qiskit-addon-sqd is missing.
    """
    _molecule(experiment)
    if experiment.quantum.mitigation_settings is not None:
        message = "corrects expectation values, and the workflow measures bitstrings"
        found = experiment.quantum.mitigation
        raise ConfigurationError(message, None, "quantum.mitigation", found, "none")
    if importlib.util.find_spec("qiskit_addon_sqd") is None:
        message = f"the workflow needs qiskit-addon-sqd: {_EXTRA}"
        raise ConfigurationError(message, None, "workflow.name")


def diagonalize(
    experiment: Experiment,
    sample: Bitstrings,
    batches: int = 4,
    samples_per_batch: int = 300,
    iterations: int = 10,
    max_strings: int = 1000,
    seed: int = 1,
) -> Diagonalization | None:
    """Minimise the energy of a molecule in spaces that measured bitstrings span.

    Each iteration corrects bitstrings with wrong numbers of electrons, draws batches of them, and
    diagonalizes the Hamiltonian in the space that each batch spans, a batch a rank at a time
    (Robledo-Moreno et al., Sci. Adv. 11, eadu9991, 2025; qiskit-addon-sqd). It ends early when
    energy and occupations no longer change. All ranks call this together; the result is on rank 0
    and does not depend on their number; the others return None.

    Parameters
    ----------
    experiment
        Its problem is used.
    sample
        Qubit p is the occupation of orbital p with spin up, qubit n + p of that with spin down.
    batches
        Number of spaces of an iteration, at least 1.
    samples_per_batch
        Number of bitstrings that span a space, at least 1.
    iterations
        Largest number of iterations, at least 1.
    max_strings
        Largest number of occupations of each spin in a space, whose dimension is at most its
        square; at least 1.
    seed
        Of the corrections and the batches, at least 0.

    Raises
    ------
    ConfigurationError
        As `check_diagonalization`.
    ResultError
        If the bitstrings are not those of the molecule.
    """
    from qiskit.primitives import BitArray

    began = time.perf_counter()
    experiment.own_code.provide()
    check_diagonalization(experiment)
    electrons = _molecule(experiment).electrons()
    n, n_alpha, n_beta = electrons.counts
    if any(len(bits) != 2 * n for bits in sample.counts):
        reason = f"the bitstrings are not those of {2 * n} qubits"
        raise ResultError(reason)
    from pyscf import lib
    from qiskit_addon_sqd.fermion import diagonalize_fermionic_hamiltonian

    team = current_team()
    hosts = team.hosts()
    valid = _valid_fraction(sample.counts, n_alpha, n_beta)
    energies: list[list[float]] = []

    def keep(results: list[Any]) -> None:
        energies.append([float(each.energy) + electrons.constant for each in results])

    guess = None if valid else (_first_occupations(n, n_alpha), _first_occupations(n, n_beta))
    with threadpool_limits(1), lib.with_omp_threads(1):  # digits that do not depend on the host
        found = diagonalize_fermionic_hamiltonian(
            electrons.one_body,
            electrons.two_body,
            BitArray.from_counts(sample.counts, num_bits=2 * n),
            samples_per_batch,
            n,
            (n_alpha, n_beta),
            num_batches=batches,
            max_iterations=iterations,
            max_dim=max_strings,
            sci_solver=_shared_solver(team),
            include_configurations=([2**n_alpha - 1], [2**n_beta - 1]),
            initial_occupancies=guess,
            callback=keep,
            seed=seed,
        )
        exact = _exact_energy(electrons) if team.rank == 0 else None
    if team.rank != 0:
        return None
    return _result(found, energies, electrons, exact, valid, team, hosts, began)


def _molecule(experiment: Experiment) -> Molecule:
    """Return the molecule of an experiment, if bitstrings are occupations of its orbitals."""
    problem = build_problem(experiment.problem)
    valid = "a molecule with problem.mapping = jordan_wigner"
    if not isinstance(problem, Molecule):
        found = experiment.problem.kind
        message = "the workflow diagonalizes the Hamiltonian of a molecule"
        raise ConfigurationError(message, None, "problem.kind", found, valid)
    if problem.settings.mapping != "jordan_wigner":
        found = problem.settings.mapping
        message = "bitstrings are not occupations of orbitals"
        raise ConfigurationError(message, None, "problem.mapping", found, valid)
    return problem


def _valid_fraction(counts: dict[str, int], n_alpha: int, n_beta: int) -> float:
    """Return the fraction of the shots with the right numbers of electrons."""
    right = 0
    for bits, count in counts.items():
        down, up = bits[: len(bits) // 2], bits[len(bits) // 2 :]
        if (up.count("1"), down.count("1")) == (n_alpha, n_beta):
            right += count
    return right / sum(counts.values())


def _first_occupations(n: int, count: int) -> NDArray[float64]:
    """Return a guess of the mean occupations, half-way between Hartree-Fock's and equal ones."""
    return ((np.arange(n) < count) + count / n) / 2


def _shared_solver(team: Team) -> Callable[..., list[Any]]:
    """Return a solver that diagonalizes each space on one rank; collective."""
    from qiskit_addon_sqd.fermion import solve_sci

    def solve(
        spaces: list[Any], one_body: Any, two_body: Any, n: int, counts: tuple[int, int]
    ) -> list[Any]:
        """Return the result of each space, on every rank."""
        mine = {
            index: solve_sci(spaces[index], one_body, two_body, n, counts, tol=_TOLERANCE)
            for index in team.deal(len(spaces))
        }
        parts = team.gather(mine) or []
        merged = {index: found for part in parts for index, found in part.items()}
        found: list[Any] = team.share([merged[index] for index in sorted(merged)])
        return found

    return solve


def _n_determinants(electrons: Electrons) -> int:
    """Return the number of all determinants with these numbers of electrons."""
    n, n_alpha, n_beta = electrons.counts
    return math.comb(n, n_alpha) * math.comb(n, n_beta)


def _exact_energy(electrons: Electrons) -> float | None:
    """Return the lowest energy in the space of all determinants, None if it is too large."""
    if _n_determinants(electrons) > _MOST_DETERMINANTS:
        return None
    from pyscf import fci

    n, *counts = electrons.counts
    solver: Any = fci.direct_spin1.FCI()
    energy, _ = solver.kernel(
        electrons.one_body,
        electrons.two_body,
        n,
        tuple(counts),
        ecore=electrons.constant,
        tol=_TOLERANCE,
    )
    return float(energy)


def _result(
    found: Any,
    energies: list[list[float]],
    electrons: Electrons,
    exact: float | None,
    valid: float,
    team: Team,
    hosts: list[str],
    began: float,
) -> Diagonalization:
    """Return what was found, with its figure."""
    from hybrid_parsl.report.diagonalization_figure import draw_diagonalization

    reference = electrons.reference_energy()
    figure = draw_diagonalization(energies, reference, exact)
    return Diagonalization(
        energy=float(found.energy) + electrons.constant,
        energies=energies,
        reference=reference,
        exact=exact,
        n_determinants=int(found.sci_state.amplitudes.size),
        n_all_determinants=_n_determinants(electrons),
        spin_squared=float(found.sci_state.spin_square()),
        occupations=[np.asarray(each).tolist() for each in found.orbital_occupancies],
        valid_fraction=valid,
        figures={"diagonalization": figure},
        execution=Execution(duration_s=time.perf_counter() - began, n_ranks=team.size, hosts=hosts),
    )
