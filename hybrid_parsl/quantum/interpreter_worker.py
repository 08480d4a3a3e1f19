"""Runs circuits in another Python interpreter, which has Qiskit but not this package.

It is started by its path with ``-I -u``, and reads a request a line from standard input; the answer
is a line of JSON on what was standard output: the counts of each register of each circuit, or what
went wrong. The first line names the factory and the folders that it may be imported from.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import os
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LEVEL = 1


def main() -> None:
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a backend prints is no answer
    sampler = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        try:
            if sampler is None:
                sampler, prepare = _open(request)
            answer = {"counts": _run(sampler, prepare, request)}
        except Exception as error:  # noqa: BLE001 - whatever a factory or a backend raises
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _open(request: dict[str, Any]) -> tuple[Any, Callable[[list[Any]], list[Any]]]:
    """Return the sampler that the factory makes, and what prepares circuits for it."""
    sys.path += request["folders"]
    module, _, name = request["factory"].partition(":")
    settings = request["settings"]
    made = getattr(importlib.import_module(module), name)(types.SimpleNamespace(**settings))
    if not hasattr(made, "target"):
        return made, list
    from qiskit.primitives import BackendSamplerV2
    from qiskit.transpiler import generate_preset_pass_manager

    passes = generate_preset_pass_manager(_LEVEL, made, seed_transpiler=0)
    seeded = "seed_simulator" in made.options
    options = {"seed_simulator": settings["seed"]} if seeded else {}
    return BackendSamplerV2(backend=made, options=options), passes.run


def _run(
    sampler: Any, prepare: Callable[[list[Any]], list[Any]], request: dict[str, Any]
) -> list[dict[str, dict[str, int]]]:
    """Return the counts of each register of each circuit."""
    from qiskit import qpy

    circuits = qpy.load(io.BytesIO(base64.b64decode(request["circuits"])))
    results = sampler.run(prepare(circuits), shots=request["shots"]).result()
    return [
        {
            register.name: getattr(result.data, register.name).get_counts()
            for register in circuit.cregs
        }
        for circuit, result in zip(circuits, results, strict=True)
    ]


if __name__ == "__main__":
    main()
