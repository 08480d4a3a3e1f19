"""OpenAPI schemas of the objects that the project creates, and a check of objects against them.

Those of Kubernetes' own objects are made from the models of its official Python client. That of
MPIJobs has the fields, defaults and valid values of ``kubeflow.org/v2beta1`` of the Kubeflow MPI
Operator v0.8, as https://github.com/kubeflow/mpi-operator documents them (Apache License 2.0); its
pod templates are Kubernetes' own.
"""

from __future__ import annotations

import functools
import re

from kubernetes import client

_TEXT = {
    "type": "string",
    "nullable": True,
}  # API server 1.20 takes "" in custom resources for null
_WHOLE = {"type": "integer", "minimum": 0}
_POSITIVE = {"type": "integer", "minimum": 1}
_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_NUMBER_OR_TEXT = {"x-kubernetes-int-or-string": True}
_QUANTITY = {
    "x-kubernetes-int-or-string": True,
    "pattern": r"^[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$",
}
_PLAIN = {
    "str": _TEXT,
    "bytes": _TEXT,
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "object": _NUMBER_OR_TEXT,
}
_QUANTITIES = ("limits", "requests", "overhead", "sizeLimit")
_METADATA = ("annotations", "finalizers", "labels", "name", "namespace")
_TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}


@functools.cache
def schema_of(model):
    """Return the schema of a model of the client, such as ``V1Job``."""
    found = getattr(client, model)
    fields = {
        found.attribute_map[name]: _field(found.attribute_map[name], kind)
        for name, kind in found.openapi_types.items()
    }
    return {"type": "object", "properties": fields}


def _field(name, kind):
    if inner := re.fullmatch(r"List\[(.+)\]", kind):
        return {"type": "array", "items": _field(name, inner[1])}
    if inner := re.fullmatch(r"Dict\[str, (.+)\]", kind):
        return {"type": "object", "additionalProperties": _field(name, inner[1])}
    if name in _QUANTITIES:
        return _QUANTITY
    return _PLAIN[kind] if kind in _PLAIN else schema_of(kind)


def _template():
    template = schema_of("V1PodTemplateSpec")
    metadata = template["properties"]["metadata"]["properties"]
    fields = {name: metadata[name] for name in _METADATA}
    kept = {"type": "object", "properties": fields}
    return {**template, "properties": {**template["properties"], "metadata": kept}}


def _object(required=(), **properties):
    found = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def _one_of(*values, **more):
    return {"type": "string", "enum": list(values), **more}


def _replicas(largest=None):
    return _object(
        ["template"],
        replicas=_POSITIVE if largest is None else {**_POSITIVE, "maximum": largest},
        restartPolicy=_one_of("Never", "OnFailure"),
        template=_template(),
    )


_SPEC = _object(
    ["mpiReplicaSpecs"],
    slotsPerWorker={**_WHOLE, "default": 1},
    runLauncherAsWorker={"type": "boolean", "default": False},
    sshAuthMountPath={"type": "string", "default": "/root/.ssh"},
    launcherCreationPolicy=_one_of("AtStartup", "WaitForWorkersReady", default="AtStartup"),
    mpiImplementation=_one_of("OpenMPI", "Intel", "MPICH", default="OpenMPI"),
    runPolicy=_object(
        cleanPodPolicy=_one_of("None", "Running", "All"),
        ttlSecondsAfterFinished=_WHOLE,
        activeDeadlineSeconds=_WHOLE,
        backoffLimit=_WHOLE,
        suspend={"type": "boolean", "default": False},
        managedBy=_one_of("kubeflow.org/mpi-operator", "kueue.x-k8s.io/multikueue"),
        schedulingPolicy=_object(
            minAvailable={"type": "integer"},
            minResources={"type": "object", "additionalProperties": _QUANTITY},
            queue=_TEXT,
            priorityClass=_TEXT,
            scheduleTimeoutSeconds={"type": "integer"},
        ),
    ),
    mpiReplicaSpecs=_object(["Launcher"], Launcher=_replicas(1), Worker=_replicas()),
)
MPI_JOB = _object(
    apiVersion=_TEXT, kind=_TEXT, metadata={"type": "object"}, spec=_SPEC, status=_ANYTHING
)
_MODELS = {"jobs": "V1Job", "pods": "V1Pod", "secrets": "V1Secret", "events": "CoreV1Event"}


def faults_of(plural, thing):
    """Return what is wrong with an object: unknown or missing fields, wrong types and values."""
    return list(_faults(MPI_JOB if plural == "mpijobs" else schema_of(_MODELS[plural]), thing, ""))


def _faults(schema, value, where):
    kind = schema.get("type")
    expected = (str, int) if kind is None else _TYPES[kind]
    if not isinstance(value, expected) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{where}: {value!r} is no {kind or 'number or text'}"
    elif kind == "array":
        for number, each in enumerate(value):
            yield from _faults(schema["items"], each, f"{where}[{number}]")
    elif kind == "object":
        yield from _faults_of_fields(schema, value, where)
    elif value not in schema.get("enum", [value]):
        yield f"{where}: {value!r} is none of {schema['enum']}"
    elif kind == "integer" and not schema.get("minimum", value) <= value:
        yield f"{where}: {value} is less than {schema['minimum']}"
    elif "pattern" in schema and not re.match(schema["pattern"], str(value)):
        yield f"{where}: {value!r} is no quantity"


def _faults_of_fields(schema, value, where):
    fields, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            yield f"{where}.{name} is missing"
    for name, each in value.items():
        known = fields.get(name, others)
        if known is not None:
            yield from _faults(known, each, f"{where}.{name}")
        elif "properties" in schema:
            yield f"{where}.{name}: unknown field"
