"""What a user reads of an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybrid_parsl.errors import HybridParslError


def failure_text(error: HybridParslError) -> str:
    """Return what went wrong, and where."""
    notes = getattr(error, "__notes__", [])
    stages = [note.removeprefix("stage: ") for note in notes if note.startswith("stage: ")]
    others = [note for note in notes if not note.startswith("stage: ")]
    head = f"error in the {stages[0]} stage" if stages else "error"
    return "\n".join([f"{head}: {error}", *others])
