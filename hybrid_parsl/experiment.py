"""The experiment: what to compute, apart from where and how it runs."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from hybrid_parsl import labels
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import nearest, printable, shown
from hybrid_parsl.mitigation_options import MITIGATION_OPTIONS
from hybrid_parsl.own_code import OwnCode
from hybrid_parsl.sweep import Sweep  # noqa: TC001 - pydantic reads the annotation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hybrid_parsl.mitigation_options import ReadoutOptions

DEFAULT_WORKFLOW = "pipeline"
_MOST_PACKED = 100_000
_MOST_RANKS_PER_NODE = 4096
_MOST_SHOTS = 100_000_000
_MOST_QPU_SECONDS = 10_800  # of a job, by the service

_UNITS = {
    "circuit": ("qubits", "parameters"),
    "graph": ("nodes", "edges"),
    "operator": ("qubits", "terms"),
}

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="a letter or digit, then at most 63 letters, digits and . _ -",
    ),
]


def shots_of_precision(precision: float) -> int:
    """Return ``1 / precision**2``, rounded up apart from rounding errors.

    Parameters
    ----------
    precision
        The largest standard error of the mean of values of +1 and -1, above 0.
    """
    return max(1, math.ceil((1 - 1e-9) / precision**2))


class _Table(BaseModel):
    """A frozen TOML table that refuses unknown keys and silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ReadFrom(_Table):
    """``[problem.read_from]``: how a file was read; written by a run, for its reader.

    Attributes
    ----------
    file
        The file as the experiment names it.
    format
        In which format it was read.
    holds
        A ``graph``, a ``qubo``, a cost of ``spins``, an ``operator``, or a ``circuit``.
    nodes
        Number of nodes, of variables, or of qubits.
    edges
        Number of edges, of pairs of variables with a product, of Pauli terms, or of parameters.
    first_node
        Number of the first node in the file, which is qubit 0; None if nodes have names.
    labels
        The names of the nodes in the order of the qubits, if they have any.
    convention
        What an entry of a QUBO means, which letter of a Pauli label is qubit 0, or the electrons of
        a FCIDUMP file.
    """

    file: str
    format: str
    holds: Literal["graph", "qubo", "spins", "operator", "circuit"]
    nodes: int
    edges: int
    first_node: int | None = None
    labels: list[str] | None = None
    convention: str | None = None

    def __str__(self) -> str:
        units = _UNITS.get(self.holds, ("variables", "couplings"))
        size = f"{self.nodes} {units[0]}, {self.edges} {units[1]}"
        text = f"{self.file}: {self.holds}, format {self.format}, {size}"
        if self.holds in ("operator", "circuit"):
            return f"{text}, {self.convention}" if self.convention else text
        if self.labels:
            labels = map(printable, self.labels[:3])
            named = ", ".join(f"{label} is qubit {k}" for k, label in enumerate(labels))
            order = f"{named}{', ...' if len(self.labels) > 3 else ''}"  # noqa: PLR2004 - shown
        else:
            order = f"counted from {self.first_node}, which is qubit 0"
        text += f", {order}"
        return f"{text}; {self.convention}" if self.convention else text


class Ansatz(_Table):
    """``[ansatz]``: the parameterised state.

    Attributes
    ----------
    kind
        Which circuit, of those that the problem supports, its first one if left out:
        ``alternating``, the one made for the problem, ``uccsd``, of a molecule, or
        ``efficient_su2``, layers of RY and RZ with linear entanglement.
    layers
        Number p of layers, 1 to 128. A problem with a circuit of its own ignores it.
    """

    kind: str | None = Field(default=None, min_length=1)
    layers: int = Field(default=1, ge=1, le=128)


class ProblemTable(_Table):
    """``[problem]``: the kind, and the keys that this kind of problem defines.

    Attributes
    ----------
    kind
        A built-in problem, one of an installed plug-in, or ``package.module:Class``.
    read_from
        The file that the problem was read from.
    """

    model_config = ConfigDict(extra="allow")

    kind: str = Field(min_length=1)
    read_from: ReadFrom | None = None
    _ansatz_kind: str | None = PrivateAttr(default=None)

    @property
    def ansatz_kind(self) -> str | None:
        """The ``ansatz.kind`` of the experiment that the table is part of; no key of it."""
        return self._ansatz_kind

    def with_ansatz_kind(self, kind: str | None) -> ProblemTable:
        """Return the same table as part of an experiment with another ``ansatz.kind``."""
        copied = self.model_copy()
        copied._ansatz_kind = kind  # noqa: SLF001 - of this class
        return copied

    @property
    def settings(self) -> dict[str, Any]:
        """The keys that the kind of problem defines."""
        return dict(self.model_extra or {})


class WorkflowTable(_Table):
    """``[workflow]``: which workflow of the project runs, and its options.

    Attributes
    ----------
    name
        The name of a function in ``apps/workflows.py``.
    """

    model_config = ConfigDict(extra="allow")

    name: str = Field(default=DEFAULT_WORKFLOW, min_length=1)

    @property
    def options(self) -> dict[str, Any]:
        """The keys that the workflow defines by its signature."""
        return dict(self.model_extra or {})


class Search(_Table):
    """``[search]``: how the parameters are searched.

    Attributes
    ----------
    method
        ``multistart`` (L-BFGS-B with exact gradients), ``grid``, ``sobol``, ``spsa``,
        ``cobyla`` or ``draw`` (each parameter drawn once, nothing optimised); any method of
        ``scipy.optimize.minimize``; an optimiser of an installed plug-in, or
        ``package.module:Class``.
    options
        Options of the method, which it defines.
    starts
        Number of starts, or of points for ``grid`` and ``sobol``; 1 to 10 000 000.
    seed
        Start i is seeded by (seed, i).
    iterations
        Upper bound on the iterations of one start, 1 to 100 000.
    tolerance
        A start ends when an iteration lowers the energy, without the offset of the cost, by
        less than this, relative to it.
    precision
        ``double`` (complex128) or ``single`` (complex64).
    threads
        Threads of one rank, 1 to 256.
    """

    method: str = Field(default="multistart", min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)
    starts: int = Field(default=32, ge=1, le=10_000_000)
    seed: Seed = 0
    iterations: int = Field(default=200, ge=1, le=100_000)
    tolerance: float = Field(default=1e-9, gt=0, lt=1)
    precision: Literal["double", "single"] = "double"
    threads: int = Field(default=1, ge=1, le=256)


class Quantum(_Table):
    """``[quantum]``: what runs the circuit.

    Attributes
    ----------
    backend
        A built-in backend, one of an installed plug-in, or ``package.module:name`` of a
        `hybrid_parsl.quantum.QuantumBackend` or of a function that makes a sampler or a device.
    python
        Absolute path of another Python interpreter, which imports the function
        ``package.module:name`` in the place of this one. For backends whose packages cannot be
        installed beside ours.
    method
        Simulation method, for backends that have several.
    shots
        Number of measurements in each basis, 1 to 100 000 000; ``1 / precision**2``, rounded up,
        if `precision` is specified. A cost of products of Z has a single basis.
    precision
        The largest standard error of the expectation value of one Pauli string with the
        coefficient 1, as in Qiskit's ``BaseEstimatorV2``; 1e-4 to 1. The standard error of the
        cost is larger or smaller, by its coefficients and by how its terms are correlated.
        ``1 / sqrt(shots)`` if left out. It cannot be specified together with other `shots`.
    seed
        Seed of the sampler or estimator.
    mitigation
        What is done about the errors of the device: ``none``; ``readout``, about those of the
        measurement; ``zne``, about those of the gates as well, by extrapolation to zero noise.
    mitigation_options
        The keys of `hybrid_parsl.mitigation_options` for this method.
    options
        The keys that the backend defines.
    max_qpu_seconds
        Most QPU seconds of one quantum task, 1 to 10 800: a run that would need more, as
        estimated, is refused, and the service ends a job that does. No limit if left out.
        Simulators use none.
    """

    backend: str = Field(default="aer", min_length=1)
    python: str | None = Field(default=None, min_length=1)
    method: str = Field(default="automatic", min_length=1)
    shots: int = Field(default=4096, ge=1, le=_MOST_SHOTS)
    precision: float | None = Field(default=None, ge=_MOST_SHOTS**-0.5, le=1)
    seed: Seed = 0
    mitigation: Literal["none", "readout", "zne"] = "none"
    mitigation_options: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    max_qpu_seconds: float | None = Field(default=None, ge=1, le=_MOST_QPU_SECONDS)

    @property
    def mitigation_settings(self) -> ReadoutOptions | None:
        """The validated `mitigation_options` with their defaults; None without mitigation."""
        model = MITIGATION_OPTIONS.get(self.mitigation)
        return None if model is None else model.model_validate(self.mitigation_options)

    @property
    def target_precision(self) -> float:
        """`precision`, or the one that `shots` give.

        The latter is larger than ``1 / sqrt(shots)`` by 1e-12 of it, so that an estimator that
        rounds up does not measure once more.
        """
        return (1 + 1e-12) / math.sqrt(self.shots) if self.precision is None else self.precision

    @model_validator(mode="before")
    @classmethod
    def _drop_derived_shots(cls, values: Any) -> Any:
        """Refuse shots that contradict the precision, and drop those that follow from it.

        A run's copy of the experiment holds both.
        """
        if not isinstance(values, dict):
            return values
        precision, shots = values.get("precision"), values.get("shots")
        if shots is None or isinstance(precision, bool) or not isinstance(precision, int | float):
            return values
        if not 0 < precision <= 1:  # the field refuses it
            return values
        derived = shots_of_precision(precision)
        if shots != derived:
            message = "specify only one of quantum.precision and quantum.shots"
            found = f"precision = {shown(precision)} and shots = {shown(shots)}"
            valid = f"shots = {derived} with this precision"
            raise ConfigurationError(message, None, "quantum.precision", found, valid)
        return {key: value for key, value in values.items() if key != "shots"}

    @model_validator(mode="after")
    def _derive_shots(self) -> Quantum:
        """Set the shots that follow from the precision, without marking them as specified."""
        if self.precision is not None:
            self.__dict__["shots"] = shots_of_precision(self.precision)
        return self

    @model_validator(mode="after")
    def _check_mitigation_options(self) -> Quantum:
        """Refuse options that the method of mitigation does not have."""
        key = "quantum.mitigation_options"
        if self.mitigation == "none" and self.mitigation_options:
            message = "has no effect without mitigation"
            valid = 'quantum.mitigation = "readout" or "zne", or no options'
            raise ConfigurationError(message, None, key, shown(self.mitigation_options), valid)
        try:
            _ = self.mitigation_settings
        except ValidationError as error:
            from hybrid_parsl.experiment_file import explain

            raise explain(error, MITIGATION_OPTIONS[self.mitigation], key) from error
        return self


class AnalysisSettings(_Table):
    """``[analysis]``: what is computed from the measurement.

    Attributes
    ----------
    top
        Number of most frequent bitstrings to list, 1 to 1000.
    bootstrap
        Number of bootstrap resamples for the standard error, 10 to 1 000 000.
    seed
        Seed of the bootstrap.
    landscape
        Points along each axis of the p = 1 landscape, 0 (none) to 512.
    figures
        Whether figures are drawn.
    """

    top: int = Field(default=10, ge=1, le=1000)
    bootstrap: int = Field(default=1000, ge=10, le=1_000_000)
    seed: Seed = 0
    landscape: int = Field(default=48, ge=0, le=512)
    figures: bool = True


class Grow(_Table):
    """``grow``: what another try gets more of.

    Attributes
    ----------
    walltime
        Factor after a walltime, 1 to 100.
    memory
        Factor after a lack of memory, 1 to 100; with 1 there is no other try.
    """

    walltime: float = Field(default=1.0, ge=1, le=100)
    memory: float = Field(default=1.0, ge=1, le=100)


class StageResources(_Table):
    """``[resources.NAME]``: what one task, function or label asks of a site.

    The keys are those of ``[resources]``; what is left out is as there (`retries` and `grow` for
    all stages, the others for MPI stages), or up to the site.
    """

    num_nodes: int | None = Field(default=None, ge=1, le=100_000)
    ranks_per_node: int | None = Field(default=None, ge=1, le=_MOST_RANKS_PER_NODE)
    num_ranks: int | None = Field(default=None, ge=1)
    walltime_s: int | None = Field(default=None, ge=1, le=31 * 86_400)
    cores_per_rank: int | None = Field(default=None, ge=1, le=4096)
    memory_gib_per_rank: float | None = Field(default=None, gt=0, le=65_536)
    gpus_per_rank: int | None = Field(default=None, ge=1, le=64)
    retries: int | None = Field(default=None, ge=0, le=1000)
    grow: Grow | None = None


class Resources(_Table):
    """``[resources]``: what the search asks of a site.

    Attributes
    ----------
    num_nodes
        Number of nodes, 1 to 100 000.
    ranks_per_node
        MPI ranks on each node, 1 to 4096.
    num_ranks
        All MPI ranks; ``num_nodes * ranks_per_node`` if left out.
    walltime_s
        Longest run time of the search in seconds, 1 to 31 days.
    cores_per_rank
        CPU cores of each rank, 1 to 4096; ``search.threads`` if left out and more than 1.
    memory_gib_per_rank
        Memory of each rank in GiB, above 0 and at most 65 536; the site's default if left out.
    gpus_per_rank
        GPUs of each rank, 1 to 64; none if left out.
    retries
        How often another job continues after the walltime, a lack of memory (if it grows) or a
        node failure, 0 to 1000.
    grow
        What that job gets more of than the one before.
    pack
        How many searches of a study one job may carry out, 1 to 100 000; ``auto`` for as many as
        take about a minute.

    A table ``[resources.NAME]`` overrides keys for the task, function or label of that name.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, StageResources] = Field(init=False)

    num_nodes: int = Field(default=1, ge=1, le=100_000)
    ranks_per_node: int = Field(default=2, ge=1, le=_MOST_RANKS_PER_NODE)
    num_ranks: int = Field(default=0, ge=0)
    walltime_s: int = Field(default=3600, ge=1, le=31 * 86_400)
    cores_per_rank: int | None = Field(default=None, ge=1, le=4096)
    memory_gib_per_rank: float | None = Field(default=None, gt=0, le=65_536)
    gpus_per_rank: int | None = Field(default=None, ge=1, le=64)
    retries: int = Field(default=0, ge=0, le=1000)
    grow: Grow = Field(default_factory=Grow)
    pack: int | Literal["auto"] = "auto"

    @field_validator("pack", mode="plain")
    @classmethod
    def _check_pack(cls, value: Any) -> Any:
        """Take a number or ``auto``; an error names both."""
        if value == "auto" or (type(value) is int and 1 <= value <= _MOST_PACKED):
            return value
        valid = f"auto, or a whole number from 1 to {_MOST_PACKED}"
        raise ConfigurationError("invalid", None, "resources.pack", shown(value), valid)

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, values: Any) -> Any:
        """Derive whichever of the two rank counts was left out."""
        if not isinstance(values, dict):
            return values
        for key, value in values.items():
            if key not in cls.model_fields and not isinstance(value, dict | StageResources):
                valid = f"{', '.join(sorted(cls.model_fields))}, or the table of a stage"
                near = nearest(key, cls.model_fields)
                name = printable(key)
                place = f"resources.{name}"
                raise ConfigurationError("unknown key", None, place, name, valid, near)
        nodes, each, total = (
            values.get(key) for key in ("num_nodes", "ranks_per_node", "num_ranks")
        )
        nodes = 1 if nodes is None else nodes
        given = [value for value in (nodes, each, total) if value is not None]
        if not all(type(value) is int and value > 0 for value in given):
            return values
        if total is None:
            return {**values, "num_ranks": nodes * (each or 2)}
        if each is None:
            most = nodes * _MOST_RANKS_PER_NODE
            if not nodes <= total <= most:
                message = f"does not fit num_nodes = {nodes}"
                key, valid = "resources.num_ranks", f"{nodes} to {most}"
                raise ConfigurationError(message, None, key, str(total), valid)
            return {**values, "ranks_per_node": -(-total // nodes)}
        return values

    @property
    def stages(self) -> dict[str, StageResources]:
        """The tables of tasks, functions and labels."""
        return dict(self.__pydantic_extra__ or {})

    @property
    def most_retries(self) -> int:
        """The largest number of retries of any stage."""
        return max([self.retries, *(each.retries or 0 for each in self.stages.values())])

    def retry_policy(self, names: Sequence[str]) -> tuple[int, Grow]:
        """Return how often a task is tried again, and what it gets more of.

        Parameters
        ----------
        names
            Of task, function and label, the most special first: the first with a table counts.
        """
        stage = next((self.stages[each] for each in names if each in self.stages), None)
        if stage is None:
            return self.retries, self.grow
        retries = self.retries if stage.retries is None else stage.retries
        return retries, stage.grow or self.grow

    @model_validator(mode="after")
    def _agree(self) -> Resources:
        """Refuse counts that contradict each other."""
        most = self.num_nodes * self.ranks_per_node
        if not self.num_nodes <= self.num_ranks <= most:
            message = (
                f"num_ranks = {self.num_ranks} does not fit num_nodes = {self.num_nodes} with "
                f"ranks_per_node = {self.ranks_per_node}: valid are {self.num_nodes} to {most}"
            )
            raise ValueError(message)
        return self


_RESOURCE_KEYS = set(StageResources.model_fields) - {"retries", "grow"}
_LAYOUT = {"num_nodes", "ranks_per_node", "num_ranks"}


class Experiment(_Table):
    """One study: the whole content of an experiment file.

    Attributes
    ----------
    name
        Letters, digits, ``.``, ``_`` and ``-``; at most 64; part of the run's folder name.
    problem, workflow, ansatz, search, quantum, analysis, resources
        The tables of the file. Only ``problem`` has to be there.
    sweep
        Keys that take several values; None for a single run.
    """

    name: Name
    problem: ProblemTable
    workflow: WorkflowTable = WorkflowTable()
    ansatz: Ansatz = Ansatz()
    search: Search = Search()
    quantum: Quantum = Quantum()
    analysis: AnalysisSettings = AnalysisSettings()
    resources: Resources = Resources()
    sweep: Sweep | None = None
    _own_code: OwnCode = PrivateAttr(default_factory=OwnCode)

    @property
    def own_code(self) -> OwnCode:
        """The user's own Python files that the experiment names; no key of its file."""
        return self._own_code

    @model_validator(mode="after")
    def _pass_ansatz_kind(self) -> Experiment:
        """Pass the requested kind of circuit to the table of the problem, for `build_problem`."""
        table = self.problem.with_ansatz_kind(self.ansatz.kind)
        object.__setattr__(self, "problem", table)  # the model is frozen
        return self

    def with_own_code(self, code: OwnCode) -> Experiment:
        """Return the same experiment with other Python files."""
        copied = super().model_copy()
        copied._own_code = code  # noqa: SLF001 - of this class
        return copied

    def model_copy(
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> Experiment:
        """Return a copy with some keys replaced, validated as a file is.

        Parameters
        ----------
        update
            Tables or single keys by name: ``{"ansatz.layers": 3}``, ``{"ansatz": {"layers": 3}}``
            (which keeps the other keys of the table) or ``{"ansatz": Ansatz(layers=3)}``.
        deep
            As in pydantic.

        Raises
        ------
        ConfigurationError
            If a key or value is not valid.
        """
        copied = super().model_copy(deep=deep)
        if not update:
            return copied
        values = {name: getattr(self, name) for name in type(self).model_fields}
        for key, value in update.items():
            table, _, rest = key.partition(".")
            given = {rest: value} if rest else value
            if isinstance(given, dict) and isinstance(values.get(table), BaseModel):
                given = values[table].model_dump(exclude_unset=True) | given
            elif rest and isinstance(values.get(table), dict):
                given = values[table] | given
            values[table] = given
        try:
            changed = type(self).model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            found = shown(first["input"])
            message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
            raise ConfigurationError(message, "model_copy", key, found) from error
        return changed.with_own_code(self._own_code)

    @property
    def search_resources(self) -> dict[str, Any]:
        """Parsl's resource specification of the search: each rank gets a core per thread."""
        return self.resources_of_call(["search", labels.MPI], labels.MPI)

    def resources_of_call(
        self, names: Sequence[str], label: str, arguments: Sequence[Any] = ()
    ) -> dict[str, Any]:
        """Return Parsl's resource specification for one call of an app.

        MPI tasks ask for what ``[resources]`` says, others for nothing; the table
        ``[resources.NAME]`` of a task, function or label overrides it key by key. The number of
        nodes and ranks is one setting: a table that has a part of it replaces the whole.

        Parameters
        ----------
        names
            Of task, function and label, the most special first: the first with a table counts.
        label
            Of the executor.
        arguments
            Those of the call; an experiment among them replaces this one.
        """
        given = next((each for each in arguments if isinstance(each, Experiment)), self)
        asked: dict[str, Any] = {}
        if label == labels.MPI:
            threads = given.search.threads
            asked = {"cores_per_rank": threads} if threads > 1 else {}
            asked |= given.resources.model_dump(exclude_none=True, include=_RESOURCE_KEYS)
        tables = given.resources.stages
        name = next((each for each in names if each in tables), None)
        if name is None:
            return asked
        override = tables[name].model_dump(exclude_none=True, include=_RESOURCE_KEYS)
        if _LAYOUT & set(override):
            asked = {key: value for key, value in asked.items() if key not in _LAYOUT}
        return asked | override

    @property
    def search_key(self) -> str:
        """Fingerprint of all that the outcome of the search depends on, hexadecimal."""
        parts = self.model_dump(mode="json", include={"problem", "ansatz", "search"})
        parts["problem"].pop("read_from")
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
