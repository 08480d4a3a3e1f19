"""What a later stage imports, imported while an earlier one runs."""

from __future__ import annotations


def warm_up_quantum() -> None:
    """Import what the quantum stage needs."""
    from hybrid_parsl.quantum import aer

    aer.warm_up()


def warm_up_analysis() -> None:
    """Import what the analysis stage needs, and draw once."""
    from hybrid_parsl.report import figures

    figures.warm_up()
