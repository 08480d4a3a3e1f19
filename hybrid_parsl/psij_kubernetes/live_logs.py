"""Lets the files of a job's two streams grow while it runs, a few calls a minute."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from hybrid_parsl.psij_kubernetes.finishing import fetch_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybrid_parsl.psij_kubernetes.api import Api
    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig
    from hybrid_parsl.psij_kubernetes.tracking import TrackedJob
    from hybrid_parsl.psij_kubernetes.workers import Workers

_BYTES_PER_S = 20_000.0  # a log has to be read from its beginning each time


class LiveLogs:
    """Fetches the logs of jobs that run, one after the other.

    Parameters
    ----------
    api
        The cluster.
    workers
        Whose threads do it.
    config
        Says how long to wait between two looks at a job's log; at a long one it is longer.
    """

    def __init__(self, api: Api, workers: Workers, config: KubernetesExecutorConfig) -> None:
        self._api = api
        self._workers = workers
        self._interval_s = config.live_log_s
        self._places = threading.BoundedSemaphore(max(1, config.n_threads // 2))

    def look_at(self, jobs: Sequence[TrackedJob], now: float) -> None:
        """Fetch the logs that are due.

        Parameters
        ----------
        jobs
            All jobs that are followed.
        now
            The time, on the clock of `time.monotonic`.
        """
        if self._interval_s is None:
            return
        for tracked in jobs:
            is_due = tracked.collection.grows and tracked.is_running and now >= tracked.next_look
            # those that are under way may hang: the others' ends are told by the same threads
            if is_due and not tracked.log_lock.locked() and self._places.acquire(blocking=False):
                tracked.next_look = now + self._interval_s
                self._workers.do(lambda tracked=tracked: self._fetch(tracked))  # type: ignore[misc]

    def _fetch(self, tracked: TrackedJob) -> None:
        """Fetch what a job has printed up to now, unless its end is being told."""
        try:
            self._fetch_alone(tracked)
        finally:
            self._places.release()

    def _fetch_alone(self, tracked: TrackedJob) -> None:
        """Fetch it while nobody else does."""
        main = tracked.main_pod
        with tracked.log_lock:
            if main is not None and not (tracked.finishing or tracked.canceled):
                wanted = replace(tracked.collection, outputs={})
                log = fetch_log(self._api, tracked.native_id.namespace, main.name, wanted)
                if log.report is not None:
                    tracked.next_look += log.report.n_bytes / _BYTES_PER_S
