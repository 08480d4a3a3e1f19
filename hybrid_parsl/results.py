"""What one stage hands to the next: frozen, JSON-serialisable values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_serializer

from hybrid_parsl.result_view import Section

if TYPE_CHECKING:
    from pydantic import SerializerFunctionWrapHandler


class _Result(BaseModel):
    """A frozen value that knows all of its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _MaybeMitigated(_Result):
    """A result whose keys on error mitigation are left out of the JSON without it."""

    @model_serializer(mode="wrap")
    def _leave_out(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return all keys but those."""
        values: dict[str, Any] = dump(self)
        absent = [key for key in ("raw", "mitigation") if values.get(key, ...) is None]
        return {key: value for key, value in values.items() if key not in absent}


class Execution(_Result):
    """How a stage was executed; not part of the physics, so it may differ between sites.

    Attributes
    ----------
    duration_s
        Wall time inside the stage, in seconds.
    n_ranks
        Number of MPI ranks, at least 1.
    hosts
        The distinct names of the nodes, sorted.
    """

    duration_s: float
    n_ranks: int
    hosts: list[str]


def execution_of(result: Any) -> Execution | None:
    """Return how a stage was executed by its result as JSON has it; None if that does not say."""
    if not isinstance(result, dict) or "execution" not in result:
        return None
    try:
        return Execution.model_validate(result["execution"])
    except ValidationError:
        return None


class SearchResult(_Result):
    """The best parameters that the search found.

    Attributes
    ----------
    parameters
        Angles in radians, in the order of the problem's circuit, shape ``(n_parameters,)``.
    energy
        Exact expectation value of the cost at `parameters`.
    method
        The search strategy.
    best_start
        Index of the start that gave the result.
    energies
        Final energy of every start, by index, shape ``(n_starts,)``.
    trace
        Energy after each iteration of the best start, first to last.
    n_evaluations
        Number of evaluations of the energy, over all starts.
    n_unmoved
        How many starts ended where they began, because no step lowered the energy; 0 for
        methods that only evaluate points.
    execution
        Where and how long it ran.
    """

    parameters: list[float]
    energy: float
    method: str
    best_start: int
    energies: list[float]
    trace: list[float]
    n_evaluations: int
    n_unmoved: int = 0
    execution: Execution


class Circuit(_Result):
    """The circuit that was run.

    Attributes
    ----------
    qasm3
        The circuit with its angles bound, in OpenQASM 3; without measurements where an
        estimator measured it, in several bases.
    n_qubits, depth, n_gates
        Its width, its depth, and its number of operations without the measurements.
    sha256
        Fingerprint of `qasm3`, hexadecimal.
    """

    qasm3: str
    n_qubits: int
    depth: int
    n_gates: int
    sha256: str


class Transpiled(_Result):
    """What the transpiler made of a circuit for a device.

    Attributes
    ----------
    depth, size, two_qubit_gates
        Depth, number of operations with the measurements, and number of gates on two or more
        qubits.
    depth_before, size_before, two_qubit_gates_before
        The same of the circuit as the problem made it.
    duration_s
        Estimated duration of one execution on the device, in seconds; None if not known.
    physical_qubits
        Where each qubit of the circuit is measured on the device, qubit 0 first.
    couplers
        Pairs of qubits of the device with a gate on both; none if all have one, or in older
        results.
    calibrated
        When the device was last calibrated, in UTC, ISO 8601; None if not known.
    """

    depth: int
    size: int
    two_qubit_gates: int
    depth_before: int
    size_before: int
    two_qubit_gates_before: int
    duration_s: float | None
    physical_qubits: list[int]
    couplers: list[tuple[int, int]] = []
    calibrated: str | None = None


class RawExpectation(_Result):
    """A measured expectation value without error mitigation.

    Attributes
    ----------
    expectation, standard_error
        In the unit of the cost.
    seconds
        Wall time of the measurement, in seconds.
    """

    expectation: float
    standard_error: float
    seconds: float


class Mitigation(_Result):
    """How an expectation value was mitigated, and what that took.

    Attributes
    ----------
    method
        ``readout`` or ``zne``.
    shots
        Number of shots of all its circuits, the calibration included. Those of the raw value
        are not among them.
    seconds
        Wall time of these circuits and of the estimate, in seconds.
    twirls
        Number of patterns of bit flips.
    calibration_shots
        Those of `shots` that the calibration took.
    least_readout
        The smallest factor, 0 to 1, that the readout multiplies the expectation value of a term
        by.
    noise_factors
        How often each gate was applied; only 1 for ``readout``.
    expectations, standard_errors
        The cost with the readout mitigated, at each noise factor.
    constant
        The part of the cost that needs no measurement, and that noise does not change.
    extrapolation
        The function of the noise factor that was fitted; None for ``readout``.
    """

    method: Literal["readout", "zne"]
    shots: int
    seconds: float
    twirls: int
    calibration_shots: int
    least_readout: float
    noise_factors: list[int]
    expectations: list[float]
    standard_errors: list[float]
    constant: float
    extrapolation: Literal["linear", "quadratic", "exponential"] | None = None


class Sample(_MaybeMitigated):
    """What the quantum stage measured.

    Attributes
    ----------
    counts
        How often each bitstring was measured, in Qiskit's bit order (qubit 0 is rightmost).
        Empty if the cost has terms with X or Y: an estimator measured it, in several bases.
    shots
        Number of measurements in all bases without those of the mitigation, the sum of `counts`
        if there are any. Of an estimator that does not report it, the number that the precision
        requires.
    energy
        Mean energy of the measured bitstrings; the same as `expectation`.
    standard_error
        Standard error of `energy`: sample standard deviation over the root of `shots`, or
        that of the estimator or of the mitigation. Of a single shot, its largest possible value.
    expectation
        Measured expectation value of the cost, in its unit; mitigated if there is `mitigation`.
    n_bases
        Number of measurement bases, at least 1; 0 if the cost is a constant, which needs none.
    backend
        The name and version of what ran the circuit.
    circuit
        What was run.
    transpiled
        What the transpiler made of it; None without a device, and in older results.
    job_id
        The service's id of the job on a QPU; several are separated by a comma and a space. None
        without a QPU.
    usage_s, estimated_usage_s
        QPU seconds that were charged, repeated jobs included, and those that were estimated before
        the submission; None if not known.
    raw
        The expectation value before mitigation: what `expectation` is without. None, and left
        out of the JSON, without mitigation.
    mitigation
        How `expectation` was mitigated; likewise.
    execution
        Where and how long it ran.
    """

    counts: dict[str, int]
    shots: int
    energy: float
    standard_error: float
    expectation: float = Field(default_factory=lambda values: values["energy"])
    n_bases: int = 1
    backend: str
    circuit: Circuit
    transpiled: Transpiled | None = None
    job_id: str | None = None
    usage_s: float | None = None
    estimated_usage_s: float | None = None
    raw: RawExpectation | None = None
    mitigation: Mitigation | None = None
    execution: Execution

    @property
    def all_shots(self) -> int:
        """Number of measurements, those of the mitigation included."""
        return self.shots + (0 if self.mitigation is None else self.mitigation.shots)


class Bitstrings(_Result):
    """What was measured in the basis of the bits, without an expectation value.

    Attributes
    ----------
    counts
        How often each bitstring was measured, in Qiskit's bit order (qubit 0 is rightmost).
    shots
        Number of measurements, the sum of `counts`.
    backend
        The name and version of what ran the circuit.
    circuit
        What was run.
    transpiled
        What the transpiler made of it; None without a device.
    job_id
        The service's id of the job on a QPU; None without a QPU.
    usage_s, estimated_usage_s
        QPU seconds that were charged, repeated jobs included, and those that were estimated before
        the submission; None if not known.
    execution
        Where and how long it ran.
    """

    counts: dict[str, int]
    shots: int
    backend: str
    circuit: Circuit
    transpiled: Transpiled | None = None
    job_id: str | None = None
    usage_s: float | None = None
    estimated_usage_s: float | None = None
    execution: Execution

    def summary_lines(self) -> list[tuple[str, str]]:
        """Return the number of bitstrings."""
        return [("measured", f"{len(self.counts)} bitstrings in {self.shots} shots")]

    def report_section(self) -> Section:
        """Return what ran where."""
        rows = [
            ["distinct bitstrings", len(self.counts)],
            ["shots", self.shots],
            ["backend", self.backend],
            ["qubits", self.circuit.n_qubits],
            ["depth", (self.transpiled or self.circuit).depth],
        ]
        if self.job_id is not None:
            rows.append(["job on the QPU", self.job_id])
        return Section.model_validate({"rows": rows})


class Diagonalization(_Result):
    """The lowest energy in the space that measured bitstrings span.

    Attributes
    ----------
    energy
        The lowest energy found, in Hartree: an upper bound of the exact one.
    energies
        That of each batch, by iteration, in Hartree.
    reference
        Energy of the Hartree-Fock state, in Hartree.
    exact
        The lowest energy in the space of all determinants, in Hartree; None where it is too large.
    n_determinants, n_all_determinants
        Dimension of the space that gave `energy`, and of the space of all determinants with these
        numbers of electrons.
    spin_squared
        Expectation value of the squared total spin in the state found, in units of hbar squared.
    occupations
        Mean number of electrons with spin up and down in each orbital, 0 to 1, shape
        ``(2, n_orbitals)``.
    valid_fraction
        Fraction of the shots with the right numbers of electrons, 0 to 1; the bits of the others
        were corrected.
    figures
        SVG text of each figure, by name; kept as files, not in results.json.
    execution
        Where and how long it ran.
    """

    energy: float
    energies: list[list[float]]
    reference: float
    exact: float | None
    n_determinants: int
    n_all_determinants: int
    spin_squared: float
    occupations: list[list[float]]
    valid_fraction: float
    figures: dict[str, str]
    execution: Execution

    def summary_lines(self) -> list[tuple[str, str]]:
        """Return the energy, and how much of the space it took."""
        above = "" if self.exact is None else f"  ({self.energy - self.exact:.2g} above the exact)"
        share = f"{self.n_determinants} of {self.n_all_determinants}"
        return [("energy", f"{self.energy:.8g} Ha{above}"), ("determinants", share)]

    def report_section(self) -> Section:
        """Return the energies, and how they were found."""
        rows: list[list[object]] = [
            ["energy (Hartree)", f"{self.energy:.9g}"],
            ["Hartree-Fock energy (Hartree)", f"{self.reference:.9g}"],
        ]
        if self.exact is not None:
            rows.append(["exact energy in this basis (Hartree)", f"{self.exact:.9g}"])
            rows.append(["distance to it (Hartree)", f"{self.energy - self.exact:.2g}"])
        rows += [
            ["determinants", f"{self.n_determinants} of {self.n_all_determinants}"],
            ["iterations", len(self.energies)],
            ["total spin squared", f"{self.spin_squared:.4f}"],
            ["shots with the right numbers of electrons", f"{self.valid_fraction:.1%}"],
            ["MPI ranks", self.execution.n_ranks],
        ]
        text = (
            "Sample-based quantum diagonalization: the energy is minimised in the space that "
            "measured determinants span, so it cannot be below the exact one."
        )
        return Section.model_validate({"text": text, "rows": rows})


class Outcome(_Result):
    """One measured bitstring.

    Attributes
    ----------
    bitstring
        In Qiskit's bit order.
    count
        How often it was measured.
    probability
        `count` over the number of shots, 0 to 1.
    energy
        Its cost.
    """

    bitstring: str
    count: int
    probability: float
    energy: float


class Landscape(_Result):
    """The exact energy of one layer over both of its angles.

    Attributes
    ----------
    gamma, beta
        The angles in radians, ascending.
    energy
        Energy at ``[i][j]`` for ``gamma[j]`` and ``beta[i]``.
    """

    gamma: list[float]
    beta: list[float]
    energy: list[list[float]]


def highest_optimal(optimum: float | None, worst: float | None) -> float:
    """Return the highest energy that is the optimum's, apart from rounding.

    Parameters
    ----------
    optimum, worst
        The lowest and the highest energy of any bitstring: levels are resolved down to 1e-9 of
        their distance, and to the rounding of sums of numbers as large as they are. None if
        they are not known: then no energy is known to be the optimum.
    """
    if optimum is None or worst is None:
        return -math.inf
    return optimum + 1e-9 * (worst - optimum) + 1e-14 * max(abs(optimum), abs(worst))


class Analysis(_MaybeMitigated):
    """What the measurement says about the problem.

    Attributes
    ----------
    energy
        Mean energy of the sample; mitigated if the sample is.
    standard_error
        Bootstrap standard error of `energy`; that of the sample if it has no bitstrings or is
        mitigated.
    optimum, worst
        Lowest and highest energy of any state; None where they are not known.
    ratio
        Approximation ratio ``(worst - energy) / (worst - optimum)``, at most 1; None where
        the optimum is not known.
    best_ratio
        The same for the best measured bitstring; None without bitstrings.
    probability_of_optimum
        Fraction of the shots that gave an optimal bitstring; None where it is not known, and
        without bitstrings.
    exact_energy
        The energy that the search computed, for comparison.
    deviation
        ``(energy - exact_energy) / standard_error``; where the standard error is 0, the
        difference over ``(worst - optimum) / shots`` instead, so that it stays finite.
    top
        The most frequent bitstrings, most frequent first; none where an estimator measured.
    landscape
        The p = 1 landscape where it applies, else None.
    raw
        The sample's expectation value before mitigation. None, and left out of the JSON, without
        mitigation.
    mitigation
        The method, ``readout`` or ``zne``; likewise.
    figures
        SVG text of each figure, by name; kept as files, not in results.json.
    execution
        Where and how long it ran.
    """

    energy: float
    standard_error: float
    optimum: float | None
    worst: float | None
    ratio: float | None
    best_ratio: float | None
    probability_of_optimum: float | None
    exact_energy: float
    deviation: float
    top: list[Outcome]
    landscape: Landscape | None
    raw: RawExpectation | None = None
    mitigation: Literal["readout", "zne"] | None = None
    figures: dict[str, str]
    execution: Execution
