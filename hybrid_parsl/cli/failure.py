"""What a user reads of an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybrid_parsl.errors import HybridParslError


def failure_text(error: HybridParslError) -> str:
    """Return what went wrong, and where; lines below the first are indented."""
    notes = getattr(error, "__notes__", [])
    stages = [note.removeprefix("stage: ") for note in notes if note.startswith("stage: ")]
    others = [note for note in notes if not note.startswith("stage: ")]
    head = f"error in the {stages[0]} stage" if stages else "error"
    first, *rest = str(error).split("\n")
    below = [line if line[:1] in ("", " ") else f"  {line}" for line in rest]
    return "\n".join([f"{head}: {first}", *below, *others])
