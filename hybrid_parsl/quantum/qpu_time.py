"""QPU seconds of a job, before it is submitted.

The form is that of IBM's page "Workload usage"
(quantum.cloud.ibm.com/docs/guides/estimate-job-run-time)::

    seconds = sum(executions x (duration + rep_delay)) + overhead

A circuit takes microseconds and the delay before the next execution hundreds of them, so the
number of executions decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hybrid_parsl.quantum.transpilation import estimated_duration_s

OVERHEAD_S = 2.0
"""Seconds of a job besides its executions: an assumption, the service bills some 2 s."""
_REP_DELAY_S = 250e-6
"""The default of IBM's Heron devices, for a device that does not say."""
_LONGEST_DURATION_S = 1e-3
_EXPLAINED = "seconds = sum(executions x (duration + rep_delay)) + overhead"


@dataclass(frozen=True)
class Item:
    """A circuit of a job.

    Attributes
    ----------
    executions
        How often it is executed.
    duration_s
        The duration of one execution in seconds.
    """

    executions: int
    duration_s: float


@dataclass(frozen=True)
class QpuEstimate:
    """The estimated QPU time of a job.

    Attributes
    ----------
    items
        Its circuits.
    shots
        Executions of each circuit for each randomization and basis.
    rep_delay_s
        Delay between two executions, in seconds.
    assumptions
        What the estimate takes for granted, in words.
    """

    items: tuple[Item, ...]
    shots: int
    rep_delay_s: float
    assumptions: tuple[str, ...]

    @property
    def executions(self) -> int:
        """The number of executions of all circuits."""
        return sum(each.executions for each in self.items)

    @property
    def seconds(self) -> float:
        """The estimated QPU time in seconds."""
        per_item = (each.executions * (each.duration_s + self.rep_delay_s) for each in self.items)
        return sum(per_item) + OVERHEAD_S

    def lines(self) -> list[str]:
        """Return the estimate with its formula and assumptions, in words."""
        n = len(self.items)
        circuits = f"{n} circuit{'s' if n != 1 else ''}, {self.shots} shots"
        sums: dict[float, int] = {}
        for each in self.items:
            sums[each.duration_s] = sums.get(each.duration_s, 0) + each.executions
        rep_delay = f"{self.rep_delay_s * 1e6:.1f} us"
        terms = [
            f"{executions} x ({duration * 1e6:.1f} us + {rep_delay})"
            for duration, executions in sums.items()
        ]
        return [
            f"{circuits}, {self.executions} executions: {self.seconds:.2f} s of QPU time estimated",
            _EXPLAINED,
            f"{self.seconds:.2f} s = {' + '.join(terms)} + {OVERHEAD_S:g} s",
            *self.assumptions,
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {
            "circuits": len(self.items),
            "shots": self.shots,
            "executions": self.executions,
            "seconds": round(self.seconds, 3),
            "rep_delay_s": self.rep_delay_s,
            "overhead_s": OVERHEAD_S,
            "formula": _EXPLAINED,
            "assumptions": list(self.assumptions),
        }


def estimate_program(program: Any, device: Any) -> QpuEstimate:
    """Return the QPU time of a quantum program.

    Parameters
    ----------
    program
        What ``prepare`` of one of the client's primitives returned; nothing is sent.
    device
        The device, as the client has it.
    """
    rep_delay = getattr(device, "default_rep_delay", None)
    assumptions = [f"overhead: {OVERHEAD_S:g} s a job (assumed)"]
    if rep_delay:
        assumptions.append("rep_delay: the default of the device")
    else:
        rep_delay = _REP_DELAY_S
        assumptions.append(f"rep_delay: {_REP_DELAY_S * 1e6:g} us (assumed)")
    items = []
    for item in program.items:
        duration = estimated_duration_s(item.circuit, device.target)
        if duration is None:
            duration = _LONGEST_DURATION_S
            assumptions.append(f"a circuit whose duration is not known: {duration * 1e6:g} us")
        items.append(Item(int(item.size()) * program.shots, duration))
    return QpuEstimate(tuple(items), program.shots, float(rep_delay), tuple(assumptions))
