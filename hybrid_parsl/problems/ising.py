"""Ising problems: fields and couplings as they are, or a QUBO matrix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import shown
from hybrid_parsl.problems.graph import check_edges
from hybrid_parsl.problems.ising_form import IsingForm
from hybrid_parsl.problems.ising_problem import IsingProblem
from hybrid_parsl.problems.settings import (
    LARGEST,
    MOST_QUBITS,
    Coefficient,
    ProblemSettings,
    is_coefficient,
    named_file,
    read_text,
    refuse_unread_file,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy import float64
    from numpy.typing import NDArray
    from pydantic import BaseModel

_QUBO = "problem.qubo"
_COUPLINGS = "problem.J"
_VALID_QUBO = f"a square matrix of finite real numbers, 1 to {MOST_QUBITS} rows"
_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")


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
        A matrix Q, inline or the name of a file (``.npy``, or text with a row a line, its
        numbers apart by blanks, commas or semicolons): minimise ``x^T Q x``, x in {0, 1}.
    """

    h: Annotated[list[Coefficient], Field(min_length=1, max_length=MOST_QUBITS)] | None = None
    J: list[Any] | None = None
    offset: Coefficient = 0.0
    qubo: str | list[Any] | None = None

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
        A coupling or the matrix is not valid.
    """

    Settings: ClassVar[type[BaseModel]] = IsingSettings
    size_keys: ClassVar[tuple[str, ...]] = ("h", "J", "qubo")

    def __init__(self, settings: IsingSettings) -> None:
        if isinstance(settings.qubo, str):
            refuse_unread_file(_QUBO, settings.qubo)
        if settings.qubo is not None:
            matrix = check_matrix(settings.qubo, None, lambda index: f"row {index + 1}")
            super().__init__(qubo_form(matrix, settings.offset))
        else:
            super().__init__(_spin_form(settings))

    @classmethod
    def embed(cls, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Return `settings` with the matrix of the file they name, relative to `folder`.

        Raises
        ------
        ConfigurationError
            The file cannot be read, or is not a matrix.
        """
        name = settings.get("qubo")
        if not isinstance(name, str):
            return settings
        path = named_file(folder, name, _QUBO)
        if path.suffix == ".npy":
            matrix = _load_matrix(path)
        else:
            matrix = parse_matrix(read_text(path, _QUBO), str(path))
        return {**settings, "qubo": matrix.tolist()}


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


def parse_matrix(text: str, source: str) -> NDArray[float64]:
    """Read a matrix: a row a line, ``#`` begins a comment.

    Parameters
    ----------
    text
        The content of the file, its numbers apart by blanks, commas or semicolons.
    source
        The file, for errors.

    Raises
    ------
    ConfigurationError
        A line is not a row of numbers, or the matrix is not square.
    """
    rows, numbers = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.partition("#")[0].strip()
        if content:
            try:
                rows.append([float(word) for word in _SEPARATOR.split(content)])
            except ValueError as error:
                place, found = f"{source}, line {number}", shown(content)
                message = "is not a row of numbers"
                raise ConfigurationError(message, place, _QUBO, found, _VALID_QUBO) from error
            numbers.append(number)
    return check_matrix(rows, source, lambda index: f"line {numbers[index]}")


def check_matrix(rows: list[Any], source: str | None, place: Any) -> NDArray[float64]:
    """Return the square matrix that `rows` are, shape ``(n, n)``.

    Parameters
    ----------
    rows
        What was written.
    source
        The file they come from, for errors.
    place
        Called with the index of a row; returns where that row was written.

    Raises
    ------
    ConfigurationError
        They are not a matrix of the right shape and type.
    """
    if not 1 <= len(rows) <= MOST_QUBITS:
        message = "has too many rows" if rows else "has no rows"
        raise ConfigurationError(message, source, _QUBO, f"{len(rows)} rows", _VALID_QUBO)
    for index, row in enumerate(rows):
        fault = _row_fault(row, len(rows))
        if fault:
            message = f"{place(index)} {fault}"
            raise ConfigurationError(message, source, _QUBO, shown(row), _VALID_QUBO)
    return np.array(rows, dtype=np.float64)


def _row_fault(row: Any, length: int) -> str | None:
    """Return what is wrong with a row of a matrix, or None."""
    if not isinstance(row, list):
        return "is not a row of numbers"
    for value in row:
        if not is_coefficient(value):
            return f"holds {shown(value)}, which is not a number from -{LARGEST:g} to {LARGEST:g}"
    return None if len(row) == length else f"has {len(row)} numbers, but there are {length} rows"


def _load_matrix(path: Path) -> NDArray[float64]:
    """Read a matrix from NumPy's own format."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigurationError(f"not a .npy file: {error}", str(path), _QUBO) from error
    found = f"{array.dtype} of shape {array.shape}"
    if array.dtype.kind not in "iuf" or array.ndim != 2 or len(array) > MOST_QUBITS:  # noqa: PLR2004
        raise ConfigurationError("is not the matrix", str(path), _QUBO, found, _VALID_QUBO)
    rows = array.astype(np.float64).tolist()
    return check_matrix(rows, str(path), lambda index: f"row {index + 1}")
