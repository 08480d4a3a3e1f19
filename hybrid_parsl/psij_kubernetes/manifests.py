"""What a job is in a cluster: pure functions from PSI/J's words to Kubernetes' objects."""

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
from hybrid_parsl.psij_kubernetes.command import MULTIPLE, Layout, Wrapping, command_line
from hybrid_parsl.psij_kubernetes.pods import INPUTS, Pods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psij import JobSpec

    from hybrid_parsl.psij_kubernetes.options import JobOptions

Manifest = dict[str, Any]
LARGEST_SECRET = 1_048_576
"""Bytes that a Secret can hold."""
SCRATCH = "/psij"
"""The job's directory where it needs one and names none."""


@dataclass(frozen=True)
class Collection:
    """What is fetched from the log of a job.

    Attributes
    ----------
    stdout, stderr
        Where to write the two streams; None to drop one.
    outputs
        Where to write files, by their path or pattern in the pod.
    mark
        What begins a record in the log; None if the log holds no records.
    lines
        Where to write lines that are told while the job runs, by the name or pattern of a file.
    why
        Where to write why the job does not start; None for nowhere.
    """

    stdout: Path | None
    stderr: Path | None
    outputs: Mapping[str, Path]
    mark: str | None
    lines: Mapping[str, Path] = field(default_factory=dict)
    why: Path | None = None

    @property
    def grows(self) -> bool:
        """Whether something is wanted while the job runs."""
        return bool(self.stdout or self.stderr or self.lines)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is wanted."""
        return not (self.grows or self.outputs)


NOTHING = Collection(None, None, {}, None)
"""What is fetched of a job that nobody wants anything of."""


@dataclass(frozen=True)
class JobPlan:
    """A job, ready to be created.

    Attributes
    ----------
    native_id
        Its name in the cluster.
    manifest
        The Job or MPIJob.
    secret
        The Secret with its inputs; None if it has none.
    collection
        What is fetched from its log.
    """

    native_id: names.NativeId
    manifest: Manifest
    secret: Manifest | None
    collection: Collection


def plan_job(spec: JobSpec, options: JobOptions, namespace: str, key: str) -> JobPlan:
    """Return what to create for a job.

    Parameters
    ----------
    spec
        PSI/J's description of it.
    options
        The rest, with the job's custom attributes.
    namespace
        Where it runs.
    key
        Names its task; the names of all objects come from it.

    Raises
    ------
    InvalidJobException
        A pod cannot be what is asked for.
    """
    _refuse(spec, options)
    layout = Layout.of(spec)
    if layout.is_mpi and not spec.inherit_environment:
        message = (
            "MPI ranks need the variables of their launcher: inherit_environment cannot be False"
        )
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
    # each job of this name has one of its own: that of an earlier one may be about to go
    secret = f"{native_id.name}-inputs-{secrets.token_hex(3)}"
    pods = Pods(spec, options, layout, native_id.name, folder, tuple(inputs), secret)
    manifest = pods.mpi_job(command) if layout.is_mpi else pods.job(command)
    manifest["metadata"] |= {"name": native_id.name, "namespace": namespace}
    manifest["metadata"]["annotations"][names.KEY_ANNOTATION] = names.key_digest(key)
    labels = pods.labels("inputs")
    return JobPlan(native_id, manifest, _secret(native_id, secret, labels, inputs), collection)


def collection_of(spec: JobSpec, options: JobOptions, name: str) -> Collection:
    """Return what is fetched from the log of the job `name`.

    The two streams are told apart, and files are told, only by a wrapper around the command;
    a log that is wanted as it is, or not at all, needs none.
    """
    wanted = bool(spec.stdout_path or spec.stderr_path)
    as_it_is = spec.stdout_path == spec.stderr_path
    scripts = spec.pre_launch or spec.post_launch
    told = options.outputs or options.lines
    wrapped = scripts or told or spec.launcher == MULTIPLE or (wanted and not as_it_is)
    mark = "\x1e" + hashlib.sha256(name.encode()).hexdigest()[:8] if wrapped else None
    outputs = {pattern: Path(path) for pattern, path in options.outputs.items()}
    lines = {pattern: Path(path) for pattern, path in options.lines.items()}
    why = Path(options.why) if options.why else None
    return Collection(spec.stdout_path, spec.stderr_path, outputs, mark, lines, why)


def secret_for(owner: Manifest, secret: Manifest) -> Manifest:
    """Return `secret` as that of the job `owner`: under the name that its pods wait for.

    A job that was there before waits for another name than the plan's. The Secret goes when the
    job goes.
    """
    spec = owner["spec"]
    template = spec["mpiReplicaSpecs"]["Launcher"] if "mpiReplicaSpecs" in spec else spec
    volumes = template["template"]["spec"].get("volumes", [])
    asked = [each["secret"]["secretName"] for each in volumes if each["name"] == INPUTS]
    name = asked[0] if asked else secret["metadata"]["name"]
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


def _refuse(spec: JobSpec, options: JobOptions) -> None:
    """Refuse what a pod cannot mean.

    Raises
    ------
    InvalidJobException
        Something is asked for that is not there.
    """
    attributes = spec.attributes
    if spec.stdin_path is not None:
        message = "A pod has no standard input: pass stdin_path's file with 'kubernetes.inputs'"
        raise InvalidJobException(message)
    if attributes and attributes.reservation_id:
        message = "Kubernetes has no reservations: leave out reservation_id, or name a queue"
        raise InvalidJobException(message)
    if attributes and attributes.duration.total_seconds() < 1:
        message = f"A duration of {attributes.duration} is too short; valid: 1 second or more"
        raise InvalidJobException(message)
    if not options.image:
        message = "The job has no image: set 'kubernetes.image', or the executor's options"
        raise InvalidJobException(message)
    for label in set(options.labels).intersection(names.RESERVED):
        message = f"The label '{label}' is reserved: the executor sets it"
        raise InvalidJobException(message)
    for path in (*options.inputs, *options.outputs, *options.lines):
        if not path or "\n" in path or ".." in path.split("/"):
            message = f"{path!r} is no path of a file in a pod"
            raise InvalidJobException(message)
    for pattern, target in (*options.outputs.items(), *options.lines.items()):
        if is_pattern(pattern) and Path(target).is_file():
            message = f"The files {pattern!r} go to a folder, and {target} is a file"
            raise InvalidJobException(message)


def is_pattern(path: str) -> bool:
    """Return whether `path` may stand for several files."""
    return any(letter in path for letter in "*?[")


def target_of(name: str, outputs: Mapping[str, Path]) -> Path | None:
    """Return where the file `name` of a pod is written here; None if nobody wants it."""
    for pattern, target in outputs.items():
        if name == pattern and not is_pattern(pattern):
            return target
        if is_pattern(pattern) and fnmatch.fnmatchcase(name, pattern):
            return target / posixpath.basename(name)
    return None


def _folder(spec: JobSpec, options: JobOptions) -> str | None:
    """Return the directory of the job in its pods; None if it is that of the image."""
    if spec.directory is not None:
        folder = str(spec.directory)
        if not folder.startswith("/"):
            message = f"The directory {folder!r} is not absolute: a pod has no current directory"
            raise InvalidJobException(message)
        return folder
    return SCRATCH if options.inputs or options.outputs else None


def _read_inputs(inputs: Mapping[str, str | Path | bytes]) -> dict[str, bytes]:
    """Return the content of the inputs, by their path in the pods.

    Raises
    ------
    InvalidJobException
        One cannot be read, or they do not fit into a Secret.
    """
    found = {}
    for path, source in inputs.items():
        try:
            found[path] = source if isinstance(source, bytes) else Path(source).read_bytes()
        except OSError as error:
            message = f"The input {source!s} cannot be read: {error.strerror or error}"
            raise InvalidJobException(message) from error
    total = sum(map(len, found.values()))
    if total > LARGEST_SECRET:
        sizes = ", ".join(f"{path} {len(data)}" for path, data in found.items())
        message = (
            f"The inputs have {total} bytes ({sizes}); at most {LARGEST_SECRET} fit: put larger "
            "files on a volume ('kubernetes.volumes')"
        )
        raise InvalidJobException(message)
    return found


def _secret(
    native_id: names.NativeId, name: str, labels: Mapping[str, str], inputs: Mapping[str, bytes]
) -> Manifest | None:
    """Return the Secret `name` that holds `inputs`, numbered; None if there are none."""
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
