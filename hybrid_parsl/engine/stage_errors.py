"""Convert what a stage raised into errors of this package."""

from __future__ import annotations

import traceback

from hybrid_parsl.engine.session import first_cause
from hybrid_parsl.errors import HybridParslError, StageFailedError


def stage_error(name: str, error: BaseException) -> HybridParslError:
    """Return what went wrong first in the stage `name`, with a note that names the stage."""
    cause = first_cause(error)
    if not isinstance(cause, HybridParslError):
        cause = StageFailedError(name, f"{type(cause).__name__}: {cause}", _traceback(cause))
    cause.add_note(f"stage: {name}")
    return cause


def workflow_error(name: str, error: BaseException) -> HybridParslError:
    """Return what a workflow itself raised, as an error of this package."""
    if isinstance(error, HybridParslError):
        return error
    return StageFailedError(name, f"{type(error).__name__}: {error}", _traceback(error))


def _traceback(error: BaseException) -> str:
    """Return where `error` was raised; if that was in another process, only the part there."""
    there = error.__cause__
    if type(there).__name__ == "_RemoteTraceback":  # of concurrent.futures
        return str(there).strip().strip('"').strip()
    return "".join(traceback.format_exception(error))
