"""Names, labels and ids of the Kubernetes objects of a job."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_APP = "app.kubernetes.io"
MANAGED_BY = f"{_APP}/managed-by"
"""Label of every object that the executor creates."""
MANAGER = "psij"
"""Value of `MANAGED_BY`."""
SELECTOR = f"{MANAGED_BY}={MANAGER}"
JOB_LABEL = "psij/job"
"""Label of pods: name of the job."""
ROLE_LABEL = "psij/role"
"""Label of pods: `MAIN`, `LAUNCHER` or `WORKER`."""
ACCOUNT_LABEL = "psij/account"
KEY_ANNOTATION = "psij/key"
"""Annotation of a job: `key_digest` of its task."""
RESERVED = (MANAGED_BY, JOB_LABEL, ROLE_LABEL, ACCOUNT_LABEL)
"""Labels that users cannot set."""
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"

MAIN, LAUNCHER, WORKER = "main", "launcher", "worker"
CONTAINER = "job"
"""Name of the main container of every pod."""

JOB, MPI_JOB, POD = "job", "mpijob", "pod"
_LONGEST_SLUG = 28
_DIGEST = 10
_LONGEST_LABEL = 63


@dataclass(frozen=True)
class NativeId:
    """Native id of a job in PSI/J: ``job/NAMESPACE/NAME`` or ``mpijob/NAMESPACE/NAME``.

    Attributes
    ----------
    kind
        `JOB` or `MPI_JOB`.
    namespace, name
        Of the object.
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> NativeId:
        """Parse an id.

        Raises
        ------
        ValueError
            If `text` is not a valid id.
        """
        kind, _, rest = text.partition("/")
        namespace, _, name = rest.partition("/")
        if kind not in (JOB, MPI_JOB) or not namespace or not name or "/" in name:
            message = f"invalid job id {text!r}; valid: job/NAMESPACE/NAME or mpijob/NAMESPACE/NAME"
            raise ValueError(message)
        return cls(kind, namespace, name)


def object_name(name: str | None, key: str) -> str:
    """Return the object name of the job of a task; deterministic.

    At most 39 characters of a DNS label (RFC 1035) that begins with a letter: the MPI Operator
    creates a Service of that name and derives longer names from it.

    Parameters
    ----------
    name
        Human-readable prefix, sanitized and truncated.
    key
        Unique key of the task.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", (name or "").rpartition("/")[2].lower()).strip("-0123456789")
    slug = slug[:_LONGEST_SLUG].strip("-") or "job"
    return f"{slug}-{key_digest(key)[:_DIGEST]}"


def key_digest(key: str) -> str:
    """Return the SHA-256 of a task's key, which may contain host names and paths."""
    return hashlib.sha256(key.encode()).hexdigest()


def recommended_labels(name: str | None, instance: str, component: str) -> dict[str, str]:
    """Return the labels of "Recommended Labels" in the documentation of Kubernetes.

    Parameters
    ----------
    name
        Human-readable name of the application.
    instance
        Name of the job.
    component
        Role of the object in the job.
    """
    return {
        f"{_APP}/name": label_value(name or "job"),
        f"{_APP}/instance": instance,
        f"{_APP}/component": component,
        f"{_APP}/part-of": MANAGER,
    }


def label_value(text: str) -> str:
    """Return `text` as a valid label value, with invalid characters replaced by dashes."""
    allowed = re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_LONGEST_LABEL]
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", allowed)
