"""Parsl's own executors, seen through the contract of `SiteExecutor`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from hybrid_parsl.engine.site_executor import JobSource, SiteExecutor

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from parsl.executors.base import ParslExecutor

    from hybrid_parsl.engine.psij_provider import PsiJProvider


def as_site_executor(executor: ParslExecutor) -> SiteExecutor:
    """Return `executor` itself if it is a `SiteExecutor`, else an adapter with the defaults."""
    return executor if isinstance(executor, SiteExecutor) else PlainExecutor(executor)


class PlainExecutor(SiteExecutor):
    """Adapts an executor that knows only Parsl, such as ``HighThroughputExecutor``.

    Its tasks run in one process each, so no search can run here, not even with Parsl's
    ``MPIExecutor``, which leaves it to the task to start ranks.

    Parameters
    ----------
    executor
        Parsl's executor.
    """

    def __init__(self, executor: ParslExecutor) -> None:
        from parsl.executors.status_handling import BlockProviderExecutor

        from hybrid_parsl.engine.psij_provider import PsiJProvider

        self.label = executor.label
        self._executor = executor
        self._provider: PsiJProvider | None = None
        if isinstance(executor, BlockProviderExecutor):
            provider = executor.provider
            self._provider = provider if isinstance(provider, PsiJProvider) else None
        self.backend = "" if self._provider is None else self._provider.backend

    @property
    def kind(self) -> str:
        """The name of the adapted executor's class."""
        return type(self._executor).__name__

    @property
    def runs_here(self) -> bool:
        """Whether tasks are threads of the driver."""
        from parsl.executors.threads import ThreadPoolExecutor

        return isinstance(self._executor, ThreadPoolExecutor)

    @property
    def software(self) -> str | None:
        """Empty if tasks are known to use the driver's interpreter, else None."""
        if self._provider is not None:
            return "" if self._provider.python in (None, sys.executable) else None
        return "" if self.runs_here else None

    def submit(
        self,
        func: Callable[..., Any],
        resource_specification: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> Future[Any]:
        """Submit a task to the adapted executor."""
        future: Future[Any] = self._executor.submit(func, resource_specification, *args, **kwargs)
        return future

    def close(self) -> None:
        """Cancel the blocks of a `PsiJProvider`."""
        if self._provider is not None:
            self._provider.close()

    def job_source(self) -> JobSource | None:
        """Return where a `PsiJProvider` submits its blocks."""
        return None if self._provider is None else self._provider.job_source()

    def job_id_of(self, future: Future[Any]) -> str | None:
        """Return the id of the latest block of a `PsiJProvider`."""
        del future
        return None if self._provider is None else self._provider.latest_block()
