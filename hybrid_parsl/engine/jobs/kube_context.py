"""Which cluster the jobs of a run are on, written down for its later drivers."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from hybrid_parsl.atomic_file import write_atomically
from hybrid_parsl.errors import StorageError, UntrustedFileError
from hybrid_parsl.ownership import check_file
from hybrid_parsl.strict_json import parse_json

if TYPE_CHECKING:
    from hybrid_parsl.psij_kubernetes import KubernetesExecutorConfig

KUBERNETES = "kubernetes"
"""PSI/J's name of the backend."""
FOLDER = ".psij"
_FILE = "kubernetes.json"


@dataclass(frozen=True)
class KubeContext:
    """How the jobs of a run reach their cluster.

    Attributes
    ----------
    kubeconfig, context, namespace
        Where it is; the user's current context where they are None.
    keep
        Which finished jobs are left to their time to live: ``none``, ``failed``, ``all``.
    start_patience_s
        Seconds until a job that cannot start fails.
    live_log_s
        Seconds between two looks at the log of a job that runs; None for no look.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    keep: str = "failed"
    start_patience_s: float = 30.0
    live_log_s: float | None = 5.0

    def config(self, patience_s: float = 60.0) -> KubernetesExecutorConfig:
        """Return the same as a configuration of PSI/J's executor.

        Parameters
        ----------
        patience_s
            How long to retry while the API server does not respond, in seconds.
        """
        from hybrid_parsl.psij_kubernetes import KubernetesExecutorConfig

        return KubernetesExecutorConfig(**asdict(self), retry_s=patience_s)

    def check(self, runs: Path) -> None:
        """Check that the kubeconfig, which can name programs to execute, did not come with a run.

        Parameters
        ----------
        runs
            The folder of all runs.

        Raises
        ------
        UntrustedFileError
            If it is in the folder of runs, cannot be examined, belongs to another user, or can be
            written by others.
        """
        for text in filter(None, (self.kubeconfig or "").split(os.pathsep)):
            try:
                path = Path(os.path.realpath(os.path.expanduser(text)))  # noqa: PTH111 - as clients
                if path.is_relative_to(runs.resolve()):
                    message = "is a kubeconfig in the folder of runs, which is never used"
                    raise UntrustedFileError(message, str(path), valid=f"one outside of {runs}")
                if os.path.lexists(path):
                    check_file(path)
            except (OSError, ValueError) as error:
                message = f"is a kubeconfig that cannot be examined: {error}"
                raise UntrustedFileError(message, text) from error

    def write(self, folder: Path) -> None:
        """Write it down in the folder of the backend.

        Raises
        ------
        StorageError
            If the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(str(folder), error.strerror or str(error)) from error
        write_atomically(folder / _FILE, json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, folder: Path) -> KubeContext:
        """Return the cluster of the jobs whose backend keeps its files in `folder`.

        That is the folder of all tasks' backend, or one that stands for it beside a task; the
        user's current context where nothing is written.
        """
        for place in (folder, folder.parent.parent / FOLDER):
            try:
                values = parse_json((place / _FILE).read_bytes())
                found: KubeContext = TypeAdapter(cls).validate_python(values)
            except (OSError, ValueError):
                continue
            return found
        return cls()
