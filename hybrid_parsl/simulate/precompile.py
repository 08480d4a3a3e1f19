"""Compile all kernels ahead of time, for types of processor that this one need not be.

``python -m hybrid_parsl.simulate.precompile x86-64-v3 x86-64-v4`` writes machine code beside the
source (or into ``NUMBA_CACHE_DIR``). Processes on any processor of such a level then load it and
compile nothing, also where that folder is read-only, as in a container image.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from time import perf_counter
from typing import TYPE_CHECKING

from .kernel_cache import TARGETS, cache_folder

if TYPE_CHECKING:
    from .layout import Precision

_THIS = "this"


def main(arguments: list[str] | None = None) -> int:
    """Compile for the named targets, each in a process of its own; return 0 if all went well."""
    parser = argparse.ArgumentParser(
        prog="python -m hybrid_parsl.simulate.precompile",
        description="Compile the simulator's kernels ahead of time.",
    )
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="target",
        help=f"types of processor: {', '.join(TARGETS)}, or 'this' (the default)",
    )
    targets = parser.parse_args(arguments).targets or [_THIS]
    for target in targets:
        if target not in {_THIS, *TARGETS}:
            parser.error(f"unknown target {target!r}; valid: {', '.join(TARGETS)}, {_THIS}")
    if targets == [_THIS]:
        compile_all()
        sys.stdout.write(f"kernels: {cache_folder() or 'no folder can be written'}\n")
        return 0 if cache_folder() else 1
    return max(_compile_for(target) for target in targets)


def compile_kernels(precision: Precision = "double", *, real_costs: bool = False) -> float:
    """Make sure that what most states need is compiled, and on disk where possible.

    Parameters
    ----------
    precision
        As in `AlternatingState`.
    real_costs
        Whether also to compile for costs that are not a few, equally spaced values.

    Returns
    -------
    float
        Seconds spent: about 10 the first time, a fraction of one afterwards.
    """
    import numpy as np

    from .alternating import AlternatingState, ising_diagonal

    start = perf_counter()
    real = [np.sqrt(np.arange(2.0**7))] if real_costs else []
    for cost in [ising_diagonal(7, np.zeros(7), [(0, 1)], [1.0]), *real]:
        AlternatingState(cost, 1, precision=precision).energy_and_gradient([0.1, 0.2])
    return perf_counter() - start


def compile_all() -> None:
    """Compile every kernel for both precisions and both kinds of costs, but run none."""
    import numpy as np

    from . import entry_points as entry

    for element in (np.dtype(np.float64), np.dtype(np.float32)):
        for cost in (np.dtype(np.uint16), np.dtype(np.float64)):
            for kernel in (entry.evaluate, entry.begin, entry.forward, entry.backward):
                kernel.of(element, cost)
    for kernel in (
        entry.collect, entry.total_energy, entry.run, entry.run_back, entry.apply_observable,
    ):  # fmt: skip
        kernel.of()


def _compile_for(target: str) -> int:
    """Compile for a target in a process of its own; return its exit code."""
    environment = dict(os.environ)
    if target != _THIS:
        environment |= {"NUMBA_CPU_NAME": target, "NUMBA_CPU_FEATURES": ""}
    command = [sys.executable, "-P", "-m", __spec__.name, _THIS]
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - ours


if __name__ == "__main__":
    sys.exit(main())
