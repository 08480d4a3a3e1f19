"""Reads damaged files: no traceback, no misreading, nothing over 2 s or 500 MB.

``python tests/fuzz/fuzz.py --inputs 100000 --seed 1 --processes 2`` prints how often each kind of
file was accepted or refused, and every input that went wrong. An input is named by its kind and
number; the same seed makes the same one again: ``--only KIND:NUMBER``.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from mutations import damaged
from readers import EXPECTED, READERS

LIMIT_S = 2.0
LIMIT_BYTES = 500 * 10**6
_BATCH = 250
_KIB = 1024


class Verdict(NamedTuple):
    """What became of an input: its kind, number and outcome, and the details of a failure."""

    kind: str
    number: int
    outcome: str
    details: str = ""


class TooSlowError(BaseException):
    """An input took more than `LIMIT_S` seconds of this process."""


def main() -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--kinds", nargs="*", default=sorted(READERS))
    parser.add_argument("--only", metavar="KIND:NUMBER", help="show one input and its traceback")
    asked = parser.parse_args()
    if asked.only:
        kind, _, number = asked.only.partition(":")
        print(content(kind, int(number), asked.seed)[:2000])
        print(try_one(kind, int(number), asked.seed))
        return 0
    each = -(-asked.inputs // len(asked.kinds))
    batches = [
        (kind, range(first, min(first + _BATCH, each)), asked.seed)
        for first in range(0, each, _BATCH)
        for kind in asked.kinds
    ]
    verdicts: list[Verdict] = []
    with (
        ProcessPoolExecutor(asked.processes, initializer=limit_memory) as pool,
        contextlib.suppress(KeyboardInterrupt),  # then the table is that of what has been done
    ):
        for found in pool.map(try_batch, batches):
            verdicts += found
            for verdict in found:
                if verdict.details:
                    print(f"{verdict.kind}:{verdict.number} {verdict.outcome}", flush=True)
    print(table(verdicts))
    wrong = [verdict for verdict in verdicts if verdict.details]
    for verdict in wrong[:20]:
        print(f"\n{verdict.kind}:{verdict.number} {verdict.outcome}\n{verdict.details}")
    print(f"\n{len(verdicts)} inputs, {len(wrong)} went wrong")
    return 1 if wrong else 0


def limit_memory() -> None:
    """Let this process have `LIMIT_BYTES` more than it has now."""
    signal.signal(signal.SIGVTALRM, _too_slow)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + LIMIT_BYTES, size + LIMIT_BYTES))


def _too_slow(*_: object) -> None:
    raise TooSlowError


def content(kind: str, number: int, seed: int) -> bytes:
    """Return input `number` of a `kind`."""
    generator = random.Random(f"{seed} {kind} {number}")
    return damaged(generator.choice(READERS[kind].samples), generator)


def try_batch(batch: tuple[str, range, int]) -> list[Verdict]:
    """Return what became of several inputs of one kind."""
    kind, numbers, seed = batch
    return [try_one(kind, number, seed) for number in numbers]


def try_one(kind: str, number: int, seed: int) -> Verdict:
    """Return what became of one input."""
    data = content(kind, number, seed)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
    try:
        READERS[kind].read(folder, data)
        outcome, details = "accepted", ""
    except EXPECTED as error:
        outcome, details = type(error).__name__, ""
        str(error)
    except TooSlowError:
        outcome, details = "TOO SLOW", traceback.format_exc()[-1500:]
    except AssertionError:
        outcome, details = "MISREAD", traceback.format_exc()[-1500:]
    except Exception as error:
        outcome, details = f"TRACEBACK {type(error).__name__}", traceback.format_exc()[-1500:]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        shutil.rmtree(folder, ignore_errors=True)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * _KIB
    if grown > LIMIT_BYTES:
        outcome, details = "TOO LARGE", f"{grown} bytes"
    return Verdict(kind, number, outcome, details)


def table(verdicts: list[Verdict]) -> str:
    """Return how often each outcome came for each kind of file, as text."""
    counts = collections.Counter((verdict.kind, verdict.outcome) for verdict in verdicts)
    outcomes = sorted({outcome for _, outcome in counts})
    kinds = sorted({kind for kind, _ in counts})
    lines = [["kind", "inputs", *outcomes]]
    for kind in kinds:
        row = [counts[kind, outcome] for outcome in outcomes]
        lines.append([kind, str(sum(row)), *(str(count or ".") for count in row)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


if __name__ == "__main__":
    sys.exit(main())
