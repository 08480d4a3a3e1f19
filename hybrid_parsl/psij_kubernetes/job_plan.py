"""Convert a PSI/J job specification to Kubernetes objects, without API calls."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import posixpath
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psij import InvalidJobException

from hybrid_parsl.psij_kubernetes import names
from hybrid_parsl.psij_kubernetes.command import MULTIPLE, ProcessLayout, Wrapping, command_line
from hybrid_parsl.psij_kubernetes.job_manifests import INPUTS, Pods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psij import JobSpec

    from hybrid_parsl.psij_kubernetes.options import JobOptions

Manifest = dict[str, Any]
MAX_SECRET_BYTES = 1_048_576
"""Maximum size of a Secret."""
SCRATCH = "/psij"
"""Working directory of jobs that need one and do not set it."""


@dataclass(frozen=True)
class Collection:
    """Local destinations of what a job produces.

    Attributes
    ----------
    stdout, stderr
        Files for the two streams; None to discard one.
    outputs
        Destinations of files by path or pattern in the pod.
    mark
        Prefix of the records in the log; None if the log contains no records.
    lines
        Destinations of live lines by file name or pattern.
    pending_reason
        File for the reason why the job cannot start yet; None to discard it.
    """

    stdout: Path | None
    stderr: Path | None
    outputs: Mapping[str, Path]
    mark: str | None
    lines: Mapping[str, Path] = field(default_factory=dict)
    pending_reason: Path | None = None

    @property
    def grows(self) -> bool:
        """Whether something is collected while the job runs."""
        return bool(self.stdout or self.stderr or self.lines)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is collected from the log."""
        return not (self.grows or self.outputs)


NOTHING = Collection(None, None, {}, None)
"""The collection of a job without files and streams."""


@dataclass(frozen=True)
class JobPlan:
    """A job, ready to be created.

    Attributes
    ----------
    native_id
        Kind, namespace and name.
    manifest
        The Job or MPIJob.
    secret
        The Secret with the inputs; None if there are none.
    collection
        Destinations of what it produces.
    """

    native_id: names.NativeId
    manifest: Manifest
    secret: Manifest | None
    collection: Collection


def plan_job(spec: JobSpec, options: JobOptions, namespace: str, key: str) -> JobPlan:
    """Return the objects to create for a job.

    Parameters
    ----------
    spec
        The job.
    options
        Options with the custom attributes of the job applied.
    namespace
        Namespace of the objects.
    key
        Unique key of the task; determines the object names.

    Raises
    ------
    InvalidJobException
        If Kubernetes cannot run the job as specified.
    """
    _validate(spec, options)
    layout = ProcessLayout.of(spec)
    if layout.is_mpi and not spec.inherit_environment:
        message = "inherit_environment must be True for MPI jobs: ranks need launcher variables"
        raise InvalidJobException(message)
    native_id = names.NativeId(
        names.MPI_JOB if layout.is_mpi else names.JOB, namespace, names.object_name(spec.name, key)
    )
    collection = collection_of(spec, options, native_id.name)
    folder = _folder(spec, options)
    wrapping = None
    if collection.mark is not None:
        wrapping = Wrapping(collection.mark, tuple(options.outputs), folder)
    command = command_line(spec, layout, options.mpi, wrapping)
    inputs = _read_inputs(options.inputs)
    # unique per submission: the Secret of an earlier job of this name may be about to be deleted
    secret = f"{native_id.name}-inputs-{secrets.token_hex(3)}"
    pods = Pods(spec, options, layout, native_id.name, folder, tuple(inputs), secret)
    manifest = pods.mpi_job(command) if layout.is_mpi else pods.job(command)
    manifest["metadata"] |= {"name": native_id.name, "namespace": namespace}
    manifest["metadata"]["annotations"][names.KEY_ANNOTATION] = names.key_digest(key)
    labels = pods.labels("inputs")
    return JobPlan(native_id, manifest, _secret(native_id, secret, labels, inputs), collection)


def collection_of(spec: JobSpec, options: JobOptions, name: str) -> Collection:
    """Return the collection of the job `name`.

    Separate streams, files and live lines require the wrapper script and hence a mark; a raw log
    does not.
    """
    has_streams = bool(spec.stdout_path or spec.stderr_path)
    is_combined = spec.stdout_path == spec.stderr_path
    scripts = spec.pre_launch or spec.post_launch
    files = options.outputs or options.lines
    wrapped = scripts or files or spec.launcher == MULTIPLE or (has_streams and not is_combined)
    mark = "\x1e" + hashlib.sha256(name.encode()).hexdigest()[:8] if wrapped else None
    outputs = {pattern: Path(path) for pattern, path in options.outputs.items()}
    lines = {pattern: Path(path) for pattern, path in options.lines.items()}
    reason = Path(options.pending_reason) if options.pending_reason else None
    return Collection(spec.stdout_path, spec.stderr_path, outputs, mark, lines, reason)


def secret_for(owner: Manifest, secret: Manifest) -> Manifest:
    """Return `secret` with the name that the pods of `owner` mount, and owned by it.

    The pods of an adopted job mount another name than that of the plan. The Secret is deleted
    together with its owner.
    """
    spec = owner["spec"]
    template = spec["mpiReplicaSpecs"]["Launcher"] if "mpiReplicaSpecs" in spec else spec
    volumes = template["template"]["spec"].get("volumes", [])
    mounted = [each["secret"]["secretName"] for each in volumes if each["name"] == INPUTS]
    name = mounted[0] if mounted else secret["metadata"]["name"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": False,
        "blockOwnerDeletion": False,
    }
    metadata = {**secret["metadata"], "name": name, "ownerReferences": [reference]}
    return {**secret, "metadata": metadata}


def _validate(spec: JobSpec, options: JobOptions) -> None:
    """Validate the parts of a job that do not depend on its layout.

    Raises
    ------
    InvalidJobException
        If something is missing, invalid or not supported.
    """
    attributes = spec.attributes
    if spec.stdin_path is not None:
        message = "stdin_path is not supported: pass the file with 'kubernetes.inputs'"
        raise InvalidJobException(message)
    if attributes and attributes.reservation_id:
        message = "reservation_id is not supported: leave it out, or set queue_name"
        raise InvalidJobException(message)
    if attributes and attributes.duration.total_seconds() < 1:
        message = f"Invalid duration {attributes.duration}; valid: 1 second or more"
        raise InvalidJobException(message)
    if not options.image:
        message = "The job has no image: set 'kubernetes.image' or the options of the executor"
        raise InvalidJobException(message)
    for label in set(options.labels).intersection(names.RESERVED):
        message = f"The label '{label}' is reserved for the executor"
        raise InvalidJobException(message)
    for path in (*options.inputs, *options.outputs, *options.lines):
        if not path or "\n" in path or ".." in path.split("/"):
            message = f"Invalid path {path!r} of a file in a pod"
            raise InvalidJobException(message)
    for pattern, target in (*options.outputs.items(), *options.lines.items()):
        if is_pattern(pattern) and Path(target).is_file():
            message = f"The destination {target} of {pattern!r} must be a folder, not a file"
            raise InvalidJobException(message)


def is_pattern(path: str) -> bool:
    """Return whether `path` contains wildcards."""
    return any(letter in path for letter in "*?[")


def target_of(name: str, outputs: Mapping[str, Path]) -> Path | None:
    """Return the local destination of the file `name` of a pod; None if not requested."""
    for pattern, target in outputs.items():
        if name == pattern and not is_pattern(pattern):
            return target
        if is_pattern(pattern) and fnmatch.fnmatchcase(name, pattern):
            return target / posixpath.basename(name)
    return None


def _folder(spec: JobSpec, options: JobOptions) -> str | None:
    """Return the working directory in the pods; None for that of the image.

    Raises
    ------
    InvalidJobException
        If it is not an absolute path.
    """
    if spec.directory is not None:
        folder = str(spec.directory)
        if not folder.startswith("/"):
            message = f"The directory {folder!r} must be an absolute path"
            raise InvalidJobException(message)
        return folder
    return SCRATCH if options.inputs or options.outputs else None


def _read_inputs(inputs: Mapping[str, str | Path | bytes]) -> dict[str, bytes]:
    """Return the content of the inputs by path in the pods.

    Raises
    ------
    InvalidJobException
        If one cannot be read, or they exceed the size of a Secret.
    """
    found = {}
    for path, source in inputs.items():
        try:
            found[path] = source if isinstance(source, bytes) else Path(source).read_bytes()
        except OSError as error:
            message = f"The input {source!s} cannot be read: {error.strerror or error}"
            raise InvalidJobException(message) from error
    total = sum(map(len, found.values()))
    if total > MAX_SECRET_BYTES:
        sizes = ", ".join(f"{path} {len(data)}" for path, data in found.items())
        message = (
            f"The inputs have {total} bytes ({sizes}); maximum: {MAX_SECRET_BYTES}. Put larger "
            "files on a volume ('kubernetes.volumes')"
        )
        raise InvalidJobException(message)
    return found


def _secret(
    native_id: names.NativeId, name: str, labels: Mapping[str, str], inputs: Mapping[str, bytes]
) -> Manifest | None:
    """Return the Secret `name` with the inputs under numeric keys; None without inputs."""
    if not inputs:
        return None
    data = {str(n): base64.b64encode(data).decode() for n, data in enumerate(inputs.values())}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": native_id.namespace,
            "labels": {**labels, names.JOB_LABEL: native_id.name},
        },
        "type": "Opaque",
        "immutable": True,
        "data": data,
    }
