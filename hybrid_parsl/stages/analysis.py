"""The analysis stage: what the measurement says about the problem."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.problems.contract import energies_of
from hybrid_parsl.problems.ising_problem import without_offset
from hybrid_parsl.problems.registry import build_problem
from hybrid_parsl.results import Analysis, Execution, Outcome, highest_optimal
from hybrid_parsl.stages.landscape import landscape

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import NDArray

    from hybrid_parsl.experiment import AnalysisSettings, Experiment
    from hybrid_parsl.problems.problem import Problem
    from hybrid_parsl.results import Sample, SearchResult

_MOST_DRAWN_AT_ONCE = 2**21
_MOST_LEVELS = 4096


def analyse(experiment: Experiment, search: SearchResult, sample: Sample) -> Analysis:
    """Compare a sample with the search and with the spectrum of the problem.

    A sample without bitstrings, which an estimator measured, is compared by its expectation
    value and standard error alone. So is the energy of one with mitigation; its bitstrings are
    as they were measured.

    Parameters
    ----------
    experiment
        Its problem and its table ``[analysis]`` are used.
    search
        Its energy and parameters are used.
    sample
        Its counts are used, or its expectation value if it has none.

    Raises
    ------
    ConfigurationError
        If the problem is not valid.
    ResultError
        If the sample is not one of this problem, or the problem gives no finite energies.
    """
    began = time.perf_counter()
    experiment.own_code.provide()
    problem = build_problem(experiment.problem)
    if sample.counts:
        bare = _of_bitstrings(experiment.analysis, problem, search, sample)
    else:
        bare = _of_expectation(problem, search, sample)
    figures = {}
    if experiment.analysis.figures:
        from hybrid_parsl.report.figures import draw_figures

        circuit = problem.circuit(search.parameters)
        figures = draw_figures(
            experiment, search, sample, bare, circuit, problem.energies, problem.unit
        )
    duration_s = time.perf_counter() - began
    execution = bare.execution.model_copy(update={"duration_s": duration_s})
    return bare.model_copy(update={"figures": figures, "execution": execution})


def _of_bitstrings(
    settings: AnalysisSettings, problem: Problem, search: SearchResult, sample: Sample
) -> Analysis:
    """Return what measured bitstrings say, without figures."""
    bitstrings = list(sample.counts)
    counts = np.array(list(sample.counts.values()), dtype=np.int64)
    bare_problem, offset = without_offset(problem)
    energies = energies_of(bare_problem, bitstrings)
    energy = float(energies @ counts) / float(counts.sum())
    if sample.shots == 1:
        error = sample.standard_error
    elif sample.mitigation is None:
        error = bootstrap_error(energies, counts, settings.bootstrap, settings.seed)
    else:
        energy, error = sample.expectation - offset, sample.standard_error
    spectrum = bare_problem.spectrum()
    floor = _least_error(energies, spectrum, int(counts.sum()))
    return Analysis(
        energy=energy + offset,
        standard_error=error,
        optimum=None if spectrum is None else spectrum[0] + offset,
        worst=None if spectrum is None else spectrum[1] + offset,
        ratio=approximation_ratio(energy, spectrum),
        best_ratio=approximation_ratio(float(energies.min()), spectrum),
        probability_of_optimum=_optimal_fraction(energies, counts, spectrum),
        exact_energy=search.energy,
        deviation=(energy - (search.energy - offset)) / (error or floor),
        top=top_outcomes(bitstrings, counts, energies + offset, settings.top),
        landscape=landscape(problem, settings.landscape),
        raw=sample.raw,
        mitigation=None if sample.mitigation is None else sample.mitigation.method,
        figures={},
        execution=Execution(duration_s=0.0, n_ranks=1, hosts=[socket.gethostname()]),
    )


def _of_expectation(problem: Problem, search: SearchResult, sample: Sample) -> Analysis:
    """Return what a measured expectation value says, without figures."""
    energy, error, spectrum = sample.expectation, sample.standard_error, problem.spectrum()
    floor = _least_error(np.array([energy]), spectrum, max(1, sample.shots))
    return Analysis(
        energy=energy,
        standard_error=error,
        optimum=None if spectrum is None else spectrum[0],
        worst=None if spectrum is None else spectrum[1],
        ratio=approximation_ratio(energy, spectrum),
        best_ratio=None,
        probability_of_optimum=None,
        exact_energy=search.energy,
        deviation=(energy - search.energy) / (error or floor),
        top=[],
        landscape=None,
        raw=sample.raw,
        mitigation=None if sample.mitigation is None else sample.mitigation.method,
        figures={},
        execution=Execution(duration_s=0.0, n_ranks=1, hosts=[socket.gethostname()]),
    )


def bootstrap_error(
    energies: NDArray[float64], counts: NDArray[int64], resamples: int, seed: int
) -> float:
    """Return the bootstrap standard error of the mean energy of a sample.

    Each resample draws as many shots from the measured distribution (Efron, Ann. Stat. 7, 1,
    1979); the error is the standard deviation of their means. Outcomes of equal energy are
    drawn as one, those in the same 1/4096 of the range of energies too where there are more
    energies than that, and no more than a few MiB are held at a time.

    Parameters
    ----------
    energies, counts
        Energy of each outcome and how often it came, shape ``(n_outcomes,)``.
    resamples
        Number of resamples, at least 2.
    seed
        Seed of the drawing.
    """
    levels, total = _levels(energies, counts)
    shots = int(counts.sum())
    generator = np.random.default_rng(seed)
    at_once = max(1, _MOST_DRAWN_AT_ONCE // len(levels))
    centre = float(levels @ total) / shots
    means = np.empty(resamples)
    for first in range(0, resamples, at_once):
        rows = min(at_once, resamples - first)
        drawn = generator.multinomial(shots, total / shots, size=rows)
        means[first : first + rows] = drawn @ (levels - centre) / shots
    return float(np.std(means, ddof=1))


def _levels(
    energies: NDArray[float64], counts: NDArray[int64]
) -> tuple[NDArray[float64], NDArray[float64]]:
    """Return the mean energies and the total counts of at most 4096 groups of outcomes."""
    levels, group = np.unique(energies, return_inverse=True)
    if len(levels) > _MOST_LEVELS:
        edges = np.linspace(levels[0], levels[-1], _MOST_LEVELS + 1)[1:-1]
        _, group = np.unique(np.searchsorted(edges, energies), return_inverse=True)
        levels = np.bincount(group, energies * counts) / np.bincount(group, counts)
    return levels, np.bincount(group, counts).astype(np.float64)


def approximation_ratio(energy: float, spectrum: tuple[float, float] | None) -> float | None:
    """Return ``(worst - energy) / (worst - optimum)``, at most 1; None without a spectrum.

    Where every bitstring costs the same, each is an optimum and the ratio is 1.
    """
    if spectrum is None:
        return None
    optimum, worst = spectrum
    return 1.0 if worst <= optimum else min(1.0, (worst - energy) / (worst - optimum))


def top_outcomes(
    bitstrings: list[str], counts: NDArray[int64], energies: NDArray[float64], top: int
) -> list[Outcome]:
    """Return the most frequent bitstrings, most frequent first, equal ones by bitstring."""
    shots = int(counts.sum())
    order = sorted(range(len(bitstrings)), key=lambda k: (-counts[k], bitstrings[k]))[:top]
    return [
        Outcome(
            bitstring=bitstrings[k],
            count=int(counts[k]),
            probability=int(counts[k]) / shots,
            energy=float(energies[k]),
        )
        for k in order
    ]


def _optimal_fraction(
    energies: NDArray[float64], counts: NDArray[int64], spectrum: tuple[float, float] | None
) -> float | None:
    """Return the fraction of the shots that gave an optimal bitstring, up to rounding."""
    if spectrum is None:
        return None
    optimum, worst = spectrum
    optimal = energies <= highest_optimal(optimum, worst)
    return float(counts[optimal].sum()) / float(counts.sum())


def _least_error(
    energies: NDArray[float64], spectrum: tuple[float, float] | None, shots: int
) -> float:
    """Return what one unseen shot could move the mean by, above 0.

    It takes the place of a standard error of 0, which a sample of one outcome has.
    """
    spread = 0.0 if spectrum is None else spectrum[1] - spectrum[0]
    return (spread or max(1.0, float(np.abs(energies).max()))) / shots
