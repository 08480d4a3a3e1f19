"""Ising problems: fields and couplings as they are, or a QUBO matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.graph import check_edges
from hybrid_parsl.problems.instances.reading import read_instance
from hybrid_parsl.problems.ising_form import IsingForm
from hybrid_parsl.problems.ising_problem import IsingProblem
from hybrid_parsl.problems.settings import (
    MOST_QUBITS,
    VALID_COEFFICIENT,
    Coefficient,
    ProblemSettings,
    is_coefficient,
    refuse_file_keys,
    refuse_unread_file,
    without_file_keys,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy import float64
    from numpy.typing import NDArray
    from pydantic import BaseModel

    from hybrid_parsl.problems.instances.instance import Reading

_QUBO = "problem.qubo"
_COUPLINGS = "problem.J"
_VALID_QUBO = f"a square matrix of finite real numbers, 1 to {MOST_QUBITS} rows"
_MOST_OFFSET = 1e12


class IsingSettings(ProblemSettings):
    """The keys of an Ising problem: `h` and `J`, or `qubo`.

    Attributes
    ----------
    h
        Field of each spin; all 0 if left out.
    J
        Couplings, ``[i, j, value]`` each; spins count from 0.
    offset
        A constant added to the cost, also to that of a `qubo`.
    qubo
        A matrix Q, inline, or an instance file: minimise ``x^T Q x``, x in {0, 1}.
    format
        The format of the file, ``auto`` if left out.
    first_node
        Number of the first variable in the file, 0 or 1, where its format leaves that open.
    """

    h: Annotated[list[Coefficient], Field(min_length=1, max_length=MOST_QUBITS)] | None = None
    J: list[Any] | None = None
    offset: Coefficient = 0.0
    qubo: str | list[Any] | None = None
    format: str | None = None
    first_node: int | None = None

    @field_validator("qubo", mode="before")
    @classmethod
    def _file_or_matrix(cls, value: Any) -> Any:
        """Refuse what is neither a file name nor a list of rows."""
        if value is not None and not isinstance(value, str | list):
            valid = f"a file name, or {_VALID_QUBO}"
            raise ConfigurationError("should be a matrix", None, _QUBO, shown(value), valid)
        return value

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        """Refuse two costs at once, and none."""
        spins = [name for name in ("h", "J") if getattr(self, name) is not None]
        given = spins + (["qubo"] if self.qubo is not None else [])
        if not given or (spins and self.qubo is not None):
            message = "does not say what the cost is" if not given else "gives the cost twice"
            found = ", ".join(given) or None
            raise ConfigurationError(message, None, "problem", found, "h and J, or qubo")
        if not isinstance(self.qubo, str):
            refuse_file_keys(self, _QUBO)
        return self


class Ising(IsingProblem):
    """The lowest energy of ``sum h_j z_j + sum J_ij z_i z_j + offset``, z in {+1, -1}.

    Parameters
    ----------
    settings
        Which form.

    Raises
    ------
    ConfigurationError
        If a coupling or the matrix is not valid.
    """

    Settings: ClassVar[type[BaseModel]] = IsingSettings
    size_keys: ClassVar[tuple[str, ...]] = ("h", "J", "qubo")

    def __init__(self, settings: IsingSettings) -> None:
        if isinstance(settings.qubo, str):
            refuse_unread_file(_QUBO, settings.qubo)
        if settings.qubo is not None:
            matrix = check_matrix(settings.qubo)
            super().__init__(qubo_form(matrix, settings.offset))
        else:
            super().__init__(_spin_form(settings))
        _check_offset(settings.offset, self.form)

    @classmethod
    def embed(cls, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Return `settings` with the matrix of the file they name, relative to `folder`.

        Raises
        ------
        ConfigurationError
            If the file cannot be read, or is not a matrix.
        """
        if not isinstance(settings.get("qubo"), str) or {"h", "J"} & set(settings):
            return settings
        reading, read_from = read_instance(folder, settings, _QUBO, "qubo")
        cost = _spins(reading) if reading.instance.spins else {"qubo": _matrix(reading).tolist()}
        found = {**settings, "read_from": read_from, **cost}
        offset = settings.get("offset", 0.0)
        if reading.instance.offset and is_coefficient(offset):
            found["offset"] = offset + reading.instance.offset
        if reading.instance.spins:
            del found["qubo"]
        return without_file_keys(found)


def _matrix(reading: Reading) -> NDArray[float64]:
    """Return the matrix of a QUBO, shape ``(n, n)``."""
    matrix = np.zeros((reading.nodes, reading.nodes))
    for i, j, value in reading.edges:
        matrix[i, j] = value
    return matrix


def _spins(reading: Reading) -> dict[str, Any]:
    """Return the keys `h` and `J` of a cost of spins."""
    matrix = _matrix(reading)
    couplings = [[i, j, value] for i, j, value in reading.edges if i != j]
    return {"h": np.diag(matrix).tolist(), "J": couplings}


def qubo_form(matrix: NDArray[float64], offset: float = 0.0) -> IsingForm:
    """Return the Ising form of the cost ``x^T Q x + offset``, where ``x = (1 - z) / 2``.

    Parameters
    ----------
    matrix
        Q, shape ``(n, n)``; only ``Q_ij + Q_ji`` matters.
    offset
        A constant added to the cost.
    """
    first, second = np.triu_indices(len(matrix), k=1)
    products = matrix[first, second] + matrix[second, first]
    single = np.diag(matrix)
    linear = -single / 2
    np.subtract.at(linear, first, products / 4)
    np.subtract.at(linear, second, products / 4)
    there = products != 0
    pairs = np.stack([first[there], second[there]], axis=1).astype(np.int64)
    constant = offset + float(single.sum()) / 2 + float(products.sum()) / 4
    return IsingForm(len(matrix), linear, pairs, products[there] / 4, constant)


def _check_offset(offset: float, form: IsingForm) -> None:
    """Refuse an offset beside which the digits of the cost would be lost."""
    largest = max(np.abs(form.linear).max(), np.abs(form.couplings).max(initial=0.0))
    if largest and abs(offset) > _MOST_OFFSET * largest:
        message = "leaves fewer than four digits of the cost"
        valid = f"at most {_MOST_OFFSET:g} times the largest coefficient, {largest:g}"
        raise ConfigurationError(message, None, "problem.offset", shown(offset), valid)


def _spin_form(settings: IsingSettings) -> IsingForm:
    """Return the form of the keys `h`, `J` and `offset`."""
    count = None if settings.h is None else len(settings.h)
    edges = []
    if settings.J is not None and (settings.J or count is None):
        edges = check_edges(settings.J, _COUPLINGS, count or MOST_QUBITS)
    for index, edge in enumerate(edges):
        if edge.weight is None:
            key, found = f"{_COUPLINGS}[{index}]", shown(list(edge[:2]))
            raise ConfigurationError("has no value", None, key, found, "[i, j, value]")
    n_qubits = count or 1 + max(edge.j for edge in edges)
    linear = np.zeros(n_qubits) if settings.h is None else np.array(settings.h, dtype=np.float64)
    pairs = np.array([edge[:2] for edge in edges], dtype=np.int64).reshape(-1, 2)
    couplings = np.array([edge.weight for edge in edges], dtype=np.float64)
    return IsingForm(n_qubits, linear, pairs, couplings, settings.offset)


def check_matrix(rows: list[Any]) -> NDArray[float64]:
    """Return the square matrix that `rows` are, shape ``(n, n)``.

    Raises
    ------
    ConfigurationError
        If they are not a matrix of the right shape and type.
    """
    if not 1 <= len(rows) <= MOST_QUBITS:
        message = "has too many rows" if rows else "has no rows"
        raise ConfigurationError(message, None, _QUBO, f"{len(rows)} rows", _VALID_QUBO)
    for index, row in enumerate(rows):
        if fault := _row_fault(row, len(rows)):
            message = f"row {index + 1} {fault}"
            raise ConfigurationError(message, None, _QUBO, shown(row), _VALID_QUBO)
    return np.array(rows, dtype=np.float64)


def _row_fault(row: Any, length: int) -> str | None:
    """Return what is wrong with a row of a matrix, or None."""
    if not isinstance(row, list):
        return "is not a row of numbers"
    for value in row:
        if not is_coefficient(value):
            return f"holds {shown(value)}, which is not {VALID_COEFFICIENT}"
    return None if len(row) == length else f"has {len(row)} numbers, but there are {length} rows"
