"""Hybrid quantum-HPC workflows: MPI search, quantum circuit, analysis, on any site."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hybrid_parsl.api import RunResult, StudyResult, load_run, run, study
    from hybrid_parsl.experiment import Experiment

__version__ = "0.1.0"
__all__ = ["Experiment", "RunResult", "StudyResult", "load_run", "run", "study"]


def __dir__() -> list[str]:
    """List the public names as well."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``import hybrid_parsl`` stays quick."""
    import importlib

    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module = "experiment" if name == "Experiment" else "api"
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
