"""Circuits from files: OpenQASM 2 and 3, and Qiskit's QPY, read in a process of their own.

A file may come from strangers, and its readers recurse, allocate what a header asks for, or crash
in native code. ``python -m hybrid_parsl.problems.circuit_file FORMAT`` therefore reads the content
from its standard input with limits of memory and time, and answers in JSON; what passed is read
again where it is needed.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.settings import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from qiskit import QuantumCircuit
    from qiskit.circuit import CircuitInstruction

KEY = "problem.circuit"
"""The dotted key that names the file."""

CircuitFormat = Literal["qpy", "openqasm2", "openqasm3"]

VALID = (
    "OpenQASM 2 or 3 (its first line says OPENQASM 2.0 or 3.0), or Qiskit's QPY from version 13 on"
)

_MAGIC = b"QISKIT"
_FIRST_QPY = 13  # earlier ones can hold expressions that are evaluated
_VERSION = re.compile(r"\s*OPENQASM\s+([23])(\.[0-9]+)?\s*;")
_COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_TIMEOUT_S = 60.0
_LIMIT_BYTES = 4 * 2**30  # of addresses, of which libraries reserve most
_QASM3 = "pip install 'hybrid-parsl[qasm3]'"


class CircuitText(BaseModel):
    """The content of a circuit file, as an experiment holds it.

    Attributes
    ----------
    format
        ``qpy``, ``openqasm2`` or ``openqasm3``.
    text
        The program; of QPY, its bytes in base64.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: CircuitFormat
    text: str


class CircuitSummary(BaseModel):
    """What a file holds: number of qubits, and names of parameters."""

    n_qubits: int
    parameters: list[str]


def read_circuit_file(path: Path) -> CircuitText:
    """Return the content of a file and its format, recognised from its first bytes.

    Raises
    ------
    ConfigurationError
        If it cannot be read, is too large, or is in none of the formats.
    """
    content = read_bytes(path, KEY)
    if content.startswith(_MAGIC):
        _check_version(content, str(path))
        return CircuitText(format="qpy", text=base64.b64encode(content).decode())
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is neither QPY nor text in UTF-8 (byte {error.start})"
        raise ConfigurationError(message, str(path), KEY, valid=VALID) from error
    found_version = _VERSION.match(_COMMENTS.sub(" ", text))
    if found_version is None:
        first = text.lstrip().partition("\n")[0]
        raise ConfigurationError("is not a circuit", str(path), KEY, shown(first), VALID)
    named: CircuitFormat = "openqasm2" if found_version[1] == "2" else "openqasm3"
    return CircuitText(format=named, text=text)


def _check_version(content: bytes, place: str | None) -> None:
    """Refuse QPY of the versions in which expressions are code."""
    version = content[len(_MAGIC)] if len(content) > len(_MAGIC) else 0
    if version < _FIRST_QPY:
        message = "is QPY of a version that is not read: it can hold code"
        valid = f"version {_FIRST_QPY} or later, which Qiskit 1.3 and later write"
        raise ConfigurationError(message, place, KEY, f"version {version}", valid)


def check_circuit(source: CircuitText, place: str) -> CircuitSummary:
    """Read a circuit in a process with limits of memory and time, and say what it holds.

    Parameters
    ----------
    source
        As `read_circuit_file` returned it.
    place
        The name of the file, for errors.

    Raises
    ------
    ConfigurationError
        If it cannot be read as a circuit without measurements in its middle.
    """
    command = [sys.executable, "-P", "-m", __spec__.name, source.format]
    try:
        done = subprocess.run(  # noqa: S603 - ours
            command,
            input=source.text,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each would reserve addresses
        )
    except subprocess.TimeoutExpired as error:
        message = f"cannot be read as {source.format} in {_TIMEOUT_S:g} s"
        raise ConfigurationError(message, place, KEY) from error
    if done.returncode:
        message = f"cannot be read as {source.format}: its reader crashed or ran out of memory"
        raise ConfigurationError(message, place, KEY, f"exit code {done.returncode}")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise ConfigurationError(answer["error"], place, KEY, answer["found"], answer["valid"])
    return CircuitSummary.model_validate(answer)


def load_circuit(source: CircuitText) -> QuantumCircuit:
    """Return the circuit of a file without its final measurements.

    Parameters
    ----------
    source
        What `check_circuit` has passed.

    Raises
    ------
    ConfigurationError
        If it cannot be read, measures or resets a qubit before its end, or holds none or several
        circuits.
    """
    try:
        circuit = _parse(source)
    except ConfigurationError:
        raise
    except Exception as error:  # the readers of Qiskit let any exception through
        reason = str(error).strip("'\"").split("\n")[0] or type(error).__name__
        message = f"cannot be read as {source.format}: {reason}"
        raise ConfigurationError(message, None, KEY, valid=VALID) from error
    circuit = circuit.remove_final_measurements(inplace=False)
    if others := sorted({each.operation.name for each in circuit.data if not _is_unitary(each)}):
        message = "is not a circuit of gates: it measures, resets or branches before its end"
        raise ConfigurationError(message, None, KEY, ", ".join(others), "gates")
    return circuit


def _is_unitary(instruction: CircuitInstruction) -> bool:
    """Return whether an instruction is a gate, or nothing but time."""
    from qiskit.circuit import AnnotatedOperation, Barrier, Delay, Gate

    kinds = (Gate, AnnotatedOperation, Barrier, Delay)
    return isinstance(instruction.operation, kinds) and not instruction.clbits


def _parse(source: CircuitText) -> QuantumCircuit:
    """Return the circuit as the reader of its format gives it."""
    if source.format == "qpy":
        from qiskit import qpy

        content = base64.b64decode(source.text, validate=True)
        _check_version(content, None)
        circuits = qpy.load(io.BytesIO(content))
        if len(circuits) != 1:
            found = f"{len(circuits)} circuits"
            raise ConfigurationError("must hold exactly one circuit", None, KEY, found, "one")
        return circuits[0]
    if source.format == "openqasm2":
        from qiskit import qasm2

        # with no folder to search, only qelib1.inc can be included
        instructions = qasm2.LEGACY_CUSTOM_INSTRUCTIONS
        return qasm2.loads(source.text, include_path=(), custom_instructions=instructions)
    from qiskit import qasm3

    try:
        return qasm3.loads(source.text)
    except ImportError as error:
        message = f"OpenQASM 3 is read by qiskit-qasm3-import: {_QASM3}"
        raise ConfigurationError(message, None, KEY) from error


def _main(arguments: list[str]) -> int:
    """Read a circuit from the standard input, and print what it holds or what is wrong."""
    resource.setrlimit(resource.RLIMIT_AS, (_LIMIT_BYTES, _LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    (named,) = arguments
    if named not in get_args(CircuitFormat):
        return 2
    try:
        circuit = load_circuit(CircuitText(format=named, text=sys.stdin.read()))  # type: ignore[arg-type]
    except ConfigurationError as error:
        answer: dict[str, Any] = {
            "error": error.message,
            "found": error.found,
            "valid": error.valid,
        }
    else:
        names = [parameter.name for parameter in circuit.parameters]
        answer = {"n_qubits": circuit.num_qubits, "parameters": names}
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
