"""Removes jobs that nobody needs any more."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.answers import ApiError

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes.api import Api
    from hybrid_parsl.psij_kubernetes.names import NativeId
    from hybrid_parsl.psij_kubernetes.workers import Workers

logger = logging.getLogger(__name__)


class Removal:
    """Deletes jobs; what cannot be deleted is left to its time to live.

    Parameters
    ----------
    api
        The cluster.
    workers
        Whose threads remove what others have left.
    """

    def __init__(self, api: Api, workers: Workers) -> None:
        self._api = api
        self._workers = workers

    def delete(self, native_id: NativeId, uid: str) -> None:
        """Delete the job `uid` and all that belongs to it."""
        try:
            self._api.delete(native_id, uid, "Background")
        except ApiError as error:
            logger.warning("%s is left to its time to live: %s", native_id, error)

    def sweep(self, thing: dict[str, Any]) -> None:
        """Delete an MPIJob that nobody follows if its time to live is over.

        The MPI Operator hands that time on to the Job of the launcher and never deletes an MPIJob
        (kubeflow/mpi-operator issue 644): those of programs that are gone would stay for ever.
        """
        if is_over(thing, self._api.now()):
            metadata = thing["metadata"]
            native_id = names.NativeId(names.MPI_JOB, metadata["namespace"], metadata["name"])
            self._workers.do(lambda: self.delete(native_id, metadata["uid"]))


def is_over(mpi_job: dict[str, Any], now: datetime) -> bool:
    """Return whether the time to live of an MPIJob is over at `now`."""
    ended = mpi_job.get("status", {}).get("completionTime")
    ttl_s = mpi_job.get("spec", {}).get("runPolicy", {}).get("ttlSecondsAfterFinished")
    if ended is None or ttl_s is None or "deletionTimestamp" in mpi_job["metadata"]:
        return False
    return datetime.fromisoformat(ended) + timedelta(seconds=ttl_s) < now
