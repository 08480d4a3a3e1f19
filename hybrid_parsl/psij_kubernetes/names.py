"""Names, labels and ids of what a job is made of in a cluster."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_APP = "app.kubernetes.io"
MANAGED_BY = f"{_APP}/managed-by"
"""Label that every object carries."""
MANAGER = "psij"
"""Its value."""
SELECTOR = f"{MANAGED_BY}={MANAGER}"
JOB_LABEL = "psij/job"
"""Label of pods: the name of their job."""
ROLE_LABEL = "psij/role"
"""Label of pods: `MAIN`, `LAUNCHER` or `WORKER`."""
ACCOUNT_LABEL = "psij/account"
KEY_ANNOTATION = "psij/key"
"""Annotation of a job: `key_digest` of the task that it carries out."""
RESERVED = (MANAGED_BY, JOB_LABEL, ROLE_LABEL, ACCOUNT_LABEL)
"""Labels that the executor sets itself."""
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"

MAIN, LAUNCHER, WORKER = "main", "launcher", "worker"
CONTAINER = "job"
"""Name of the container in every pod."""

JOB, MPI_JOB, POD = "job", "mpijob", "pod"
_LONGEST_SLUG = 28
_DIGEST = 10
_LONGEST_LABEL = 63


@dataclass(frozen=True)
class NativeId:
    """What PSI/J knows a job by: ``job/NAMESPACE/NAME`` or ``mpijob/NAMESPACE/NAME``.

    Attributes
    ----------
    kind
        `JOB` or `MPI_JOB`.
    namespace, name
        Where it is.
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> NativeId:
        """Read an id.

        Raises
        ------
        ValueError
            It is none.
        """
        kind, _, rest = text.partition("/")
        namespace, _, name = rest.partition("/")
        if kind not in (JOB, MPI_JOB) or not namespace or not name or "/" in name:
            message = f"{text!r} is no id of a job: job/NAMESPACE/NAME or mpijob/NAMESPACE/NAME"
            raise ValueError(message)
        return cls(kind, namespace, name)


def object_name(name: str | None, key: str) -> str:
    """Return the name of the job that carries out the task `key`: the same each time.

    At most 39 characters of a DNS label (RFC 1035) that begins with a letter: the MPI Operator
    makes a Service of that name, and longer names from it.

    Parameters
    ----------
    name
        For people; what does not fit is left out.
    key
        The task; two tasks have two keys.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", (name or "").rpartition("/")[2].lower()).strip("-0123456789")
    slug = slug[:_LONGEST_SLUG].strip("-") or "job"
    return f"{slug}-{key_digest(key)[:_DIGEST]}"


def key_digest(key: str) -> str:
    """Return the digest of a task's key: the key itself may hold host names and paths."""
    return hashlib.sha256(key.encode()).hexdigest()


def recommended_labels(name: str | None, instance: str, component: str) -> dict[str, str]:
    """Return the labels that Kubernetes recommends for all objects.

    See "Recommended Labels" in Kubernetes' documentation.

    Parameters
    ----------
    name
        The application, for people.
    instance
        The job.
    component
        The role of the object in it.
    """
    return {
        f"{_APP}/name": label_value(name or "job"),
        f"{_APP}/instance": instance,
        f"{_APP}/component": component,
        f"{_APP}/part-of": MANAGER,
    }


def label_value(text: str) -> str:
    """Return `text` as the value of a label: what is not allowed there becomes a dash."""
    allowed = re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_LONGEST_LABEL]
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", allowed)
