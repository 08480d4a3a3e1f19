"""What the settings of all problems share: strictness, and the reading of files they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown

if TYPE_CHECKING:
    from pathlib import Path

MOST_QUBITS = 40
"""Largest number of qubits of a built-in problem: a state of 2**40 amplitudes is 16 TiB."""

LARGEST = 1e100
"""Largest magnitude of a coefficient, so that no sum or square of them overflows."""

SMALLEST = 1e-100
"""Smallest magnitude of a coefficient but 0, so that no square of one is lost."""

VALID_COEFFICIENT = f"0, or a magnitude from {SMALLEST:g} to {LARGEST:g}"

_MOST_BYTES = 2**19  # an instance of 40 nodes has some 50 kB

FILE_KEYS = ("format", "first_node")
"""The keys of a problem that say how to read the file that another key names."""


def _check_coefficient(value: float) -> float:
    """Refuse a coefficient that is too large or too small."""
    if not is_coefficient(value):
        message = f"should be {VALID_COEFFICIENT}"
        raise ValueError(message)
    return value


Coefficient = Annotated[float, AfterValidator(_check_coefficient)]


def is_coefficient(value: object) -> bool:
    """Return whether `value` is 0 or a number that no sum or square lets overflow or vanish."""
    if type(value) not in (int, float):
        return False
    return value == 0 or SMALLEST <= abs(value) <= LARGEST  # type: ignore[arg-type]


class ProblemSettings(BaseModel):
    """The keys of one kind of problem: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def named_file(folder: Path, name: str, key: str) -> Path:
    """Return the file that `key` names, relative to the `folder` of the experiment.

    Raises
    ------
    ConfigurationError
        If there is no such file.
    """
    path = folder / name
    try:
        found = path.is_file()
    except (OSError, ValueError):  # a name too long, or with a null character in it
        found = False
    if not found:
        message = f"no such file: {path}"
        raise ConfigurationError(
            message, None, key, shown(name), f"a file, looked for from the folder {folder}"
        )
    return path


def read_bytes(path: Path, key: str, most: int = _MOST_BYTES) -> bytes:
    """Return the content of the file at `path`, which `key` names, of at most `most` bytes.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or is too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            found, valid = f"{path.stat().st_size} bytes", f"at most {most} bytes"
            raise ConfigurationError("is too large", str(path), key, found, valid)
    except OSError as error:
        message = error.strerror or str(error)
        raise ConfigurationError(message, str(path), key) from error
    return content


def read_text(path: Path, key: str, most: int = _MOST_BYTES) -> str:
    """Return the text of the file at `path`, which `key` names, of at most `most` bytes.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, is too large or is not UTF-8.
    """
    try:
        text = read_bytes(path, key, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"not UTF-8 at byte {error.start}"
        raise ConfigurationError(message, str(path), key, valid="text in UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def without_file_keys(settings: dict[str, Any]) -> dict[str, Any]:
    """Return `settings` without the keys that say how to read a file."""
    return {key: value for key, value in settings.items() if key not in FILE_KEYS}


def refuse_file_keys(settings: BaseModel, file_key: str) -> None:
    """Refuse keys that say how to read a file where none is named.

    Raises
    ------
    ConfigurationError
        If there is such a key.
    """
    for name in FILE_KEYS:
        value = getattr(settings, name)
        if value is not None:
            message = "says how to read a file, but none is named"
            valid = f"{file_key} = 'FILE' beside it"
            raise ConfigurationError(message, None, f"problem.{name}", shown(value), valid)


def refuse_unread_file(key: str, name: str) -> NoReturn:
    """Say that a problem was made before the file that `key` names had been read.

    Raises
    ------
    ConfigurationError
        Always.
    """
    message = "this file was not read in before the problem was made"
    valid = "an experiment that went through hybrid_parsl.problems.registry.embed_files"
    raise ConfigurationError(message, None, key, shown(name), valid)
