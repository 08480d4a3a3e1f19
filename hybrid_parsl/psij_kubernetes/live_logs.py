"""Fetch the logs of running jobs periodically, so that their stream files grow."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from hybrid_parsl.psij_kubernetes.completion import fetch_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.psij_kubernetes.client import ApiClient
    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.thread_pool import DaemonThreadPool
    from hybrid_parsl.psij_kubernetes.tracked_job import TrackedJob

_BYTES_PER_S = 20_000.0  # each fetch reads the log from its beginning


class LiveLogs:
    """Fetcher of the logs of running jobs.

    Parameters
    ----------
    api
        Client of the cluster.
    pool
        Threads that fetch; at most half of them at a time.
    config
        Sets the interval between two fetches, which grows with the length of the log.
    """

    def __init__(
        self, api: ApiClient, pool: DaemonThreadPool, config: KubernetesExecutorConfig
    ) -> None:
        self._api = api
        self._pool = pool
        self._interval_s = config.live_log_s
        self._slots = threading.BoundedSemaphore(max(1, config.n_threads // 2))

    def poll(self, jobs: Sequence[TrackedJob], now: float) -> None:
        """Fetch the logs that are due.

        Parameters
        ----------
        jobs
            All tracked jobs.
        now
            Current time, on the clock of `time.monotonic`.
        """
        if self._interval_s is None:
            return
        for tracked in jobs:
            is_due = (
                tracked.collection.grows and tracked.is_running and now >= tracked.next_log_fetch
            )
            # fetches may hang, and the same threads complete jobs
            if is_due and not tracked.log_lock.locked() and self._slots.acquire(blocking=False):
                tracked.next_log_fetch = now + self._interval_s
                self._pool.submit(lambda tracked=tracked: self._fetch(tracked))  # type: ignore[misc]

    def _fetch(self, tracked: TrackedJob) -> None:
        """Fetch the log of a job and free the slot."""
        try:
            self._fetch_log(tracked)
        finally:
            self._slots.release()

    def _fetch_log(self, tracked: TrackedJob) -> None:
        """Fetch the log of a job unless its completion is under way."""
        main = tracked.main_pod
        with tracked.log_lock:
            if main is not None and not (tracked.completing or tracked.cancelled):
                collection = replace(tracked.collection, outputs={})
                log = fetch_log(self._api, tracked.native_id.namespace, main.name, collection)
                if log.report is not None:
                    tracked.next_log_fetch += log.report.n_bytes / _BYTES_PER_S
