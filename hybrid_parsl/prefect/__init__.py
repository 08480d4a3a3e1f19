"""Prefect flows on our sites: the workflow as a flow, and a task runner for flows of one's own."""

try:
    import prefect  # noqa: F401
except ImportError as error:
    message = f"{error}: pip install 'hybrid-parsl[prefect]', or in a clone '.[prefect]'"
    raise ImportError(message, name=error.name) from error

from hybrid_parsl.prefect.task_runner import SiteTaskRunner
from hybrid_parsl.prefect.workflow import hybrid_workflow

__all__ = ["SiteTaskRunner", "hybrid_workflow"]
