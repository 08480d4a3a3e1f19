"""What an MPIJob is made of: the objects that the Kubeflow MPI Operator makes for it.

Names, labels, variables and paths are those of the operator (v0.8, ``kubeflow.org/v2beta1``).
"""

from __future__ import annotations

import base64
import copy
import struct
import subprocess

ENDS = ("Complete", "Failed")
"""Conditions of a Job that has ended."""
_HOST_FILE = "/etc/mpi/hostfile"
_LABEL = "training.kubeflow.org"
_POINT_BYTES = 133
_SSH_FILES = [
    {"key": "ssh-privatekey", "path": "id_rsa"},
    {"key": "ssh-publickey", "path": "id_rsa.pub"},
    {"key": "ssh-publickey", "path": "authorized_keys"},
]
_CONFIG_FILES = [
    {"key": "hostfile", "path": "hostfile", "mode": 0o444},
    {"key": "discover_hosts.sh", "path": "discover_hosts.sh", "mode": 0o555},
]
_TRIES = "-o ConnectionAttempts=10"
_VARIABLES = {
    "OpenMPI": {
        "OMPI_MCA_orte_keep_fqdn_hostnames": "true",
        "OMPI_MCA_orte_default_hostfile": _HOST_FILE,
        "OMPI_MCA_plm_rsh_args": _TRIES,
        "OMPI_MCA_orte_set_default_slots": "{slots}",
    },
    "Intel": {
        "I_MPI_HYDRA_HOST_FILE": _HOST_FILE,
        "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS": _TRIES,
        "I_MPI_PERHOST": "{slots}",
    },
    "MPICH": {"HYDRA_HOST_FILE": _HOST_FILE, "HYDRA_LAUNCH_EXTRA_ARGS": _TRIES},
}
_NO_GPU = {"NVIDIA_VISIBLE_DEVICES": "", "NVIDIA_DRIVER_CAPABILITIES": ""}


def n_workers(job):
    """Return how many workers a job has."""
    return job["spec"]["mpiReplicaSpecs"].get("Worker", {}).get("replicas", 0)


def _launcher_is_worker(job):
    return bool(job["spec"].get("runLauncherAsWorker"))


def service(job):
    """Return what gives the pods of a job their names."""
    selector = {key: value for key, value in _labels(job).items() if not key.endswith("role")}
    spec = {"clusterIP": "None", "selector": selector}
    spec["publishNotReadyAddresses"] = _launcher_is_worker(job)
    return _part(job, "v1", "Service", "", spec=spec)


def config_map(job):
    """Return the host file, in the words of the job's MPI."""
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    spec = job["spec"]
    ending = " slots={}" if spec["mpiImplementation"] == "OpenMPI" else ":{}"
    pods = [f"{name}-worker-{number}" for number in range(n_workers(job))]
    if _launcher_is_worker(job):
        pods.insert(0, f"{name}-launcher")
    hosts = [f"{pod}.{name}.{namespace}.svc" for pod in pods]
    lines = [host + ending.format(spec["slotsPerWorker"]) for host in hosts]
    script = ["#!/bin/sh", *(f"echo {host}" for host in hosts)]
    data = {"hostfile": _lines(lines), "discover_hosts.sh": _lines(script)}
    return _part(job, "v1", "ConfigMap", "-config", data=data)


def secret(job):
    """Return a new pair of keys."""
    private, public = _keys()
    data = {"ssh-privatekey": private, "ssh-publickey": public}
    return _part(job, "v1", "Secret", "-ssh", type="kubernetes.io/ssh-auth", stringData=data)


def worker(job, number):
    """Return the worker `number`."""
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    template = _template(job, "Worker", f"{name}-worker-{number}", {})
    index = number + _launcher_is_worker(job)
    template["metadata"]["labels"][f"{_LABEL}/replica-index"] = str(index)
    searches = {"searches": [f"{name}.{namespace}.svc.cluster.local"]}
    template["spec"]["dnsConfig"] = searches  # Hydra calls the launcher by its bare name
    container = template["spec"]["containers"][0]
    if not container.get("command") and not container.get("args"):
        container["command"] = ["/usr/sbin/sshd", "-De"]
    made = _part(job, "v1", "Pod", f"-worker-{number}", spec=template["spec"])
    made["metadata"] |= template["metadata"]
    return made


def launcher_job(job):
    """Return the Job that starts the ranks."""
    name, spec = job["metadata"]["name"], job["spec"]
    no_gpu = {} if _launcher_is_worker(job) else _NO_GPU
    variables = _VARIABLES[spec["mpiImplementation"]] | no_gpu
    template = _template(job, "Launcher", f"{name}-launcher", variables)
    if _launcher_is_worker(job):
        template["metadata"]["labels"][f"{_LABEL}/replica-index"] = "0"
    config = {"name": f"{name}-config", "items": _CONFIG_FILES}
    template["spec"]["volumes"].append({"name": "mpi-job-config", "configMap": config})
    template["spec"]["containers"][0]["volumeMounts"].append(
        {"name": "mpi-job-config", "mountPath": "/etc/mpi"}
    )
    policy = spec.get("runPolicy", {})
    names = ("ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit")
    limits = {key: policy[key] for key in names if key in policy}
    return _part(job, "batch/v1", "Job", "-launcher", spec={**limits, "template": template})


def _template(job, role, host, variables):
    """Return the pod template of one role, with what the operator adds."""
    spec = job["spec"]
    replicas = spec["mpiReplicaSpecs"][role]
    template = copy.deepcopy(replicas["template"])
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = (metadata.get("labels") or {}) | _labels(job, role.lower())
    policy = replicas.get("restartPolicy", "Never")
    template["spec"] |= {
        "hostname": host,
        "subdomain": job["metadata"]["name"],
        "restartPolicy": "Never" if policy == "ExitCode" else policy,
    }
    container = template["spec"]["containers"][0]
    slots = spec["slotsPerWorker"]
    container.setdefault("env", []).extend(
        {"name": name, "value": value.format(slots=slots)}
        for name, value in {"K_MPI_JOB_ROLE": role.lower(), **variables}.items()
    )
    keys = {"secretName": f"{job['metadata']['name']}-ssh", "items": _SSH_FILES}
    if spec["sshAuthMountPath"] == "/root/.ssh":
        keys["defaultMode"] = 0o600
    template["spec"].setdefault("volumes", []).append({"name": "ssh-auth", "secret": keys})
    container.setdefault("volumeMounts", []).append(
        {"name": "ssh-auth", "mountPath": spec["sshAuthMountPath"]}
    )
    return template


def _labels(job, role=""):
    return {
        f"{_LABEL}/operator-name": "mpi-operator",
        f"{_LABEL}/job-name": job["metadata"]["name"],
        f"{_LABEL}/job-role": role,
    }


def warning(job, message, now):
    """Return the event that says why something cannot be made for a job."""
    metadata = job["metadata"]
    about = {key: metadata[key] for key in ("name", "namespace", "uid")}
    return {
        "metadata": {"name": f"{metadata['name']}.{metadata['uid'][:8]}"},
        "type": "Warning",
        "reason": "MPIJobFailed",
        "message": message,
        "involvedObject": {"apiVersion": job["apiVersion"], "kind": job["kind"], **about},
        "source": {"component": "mpi-job-controller"},
        "firstTimestamp": now,
        "lastTimestamp": now,
    }


def _part(job, version, kind, suffix, **content):
    """Return an object that goes when the job goes."""
    metadata = job["metadata"]
    owner = {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {
            "name": metadata["name"] + suffix,
            "namespace": metadata["namespace"],
            "labels": {"app": metadata["name"]},
            "ownerReferences": [owner],
        },
        **content,
    }


def _keys():
    """Return a private key of the curve P-521 as PEM, and its public key as OpenSSH writes it."""
    private = _openssl("ecparam", "-name", "secp521r1", "-genkey", "-noout")
    point = _openssl("ec", "-pubout", "-outform", "DER", given=private)[-_POINT_BYTES:]
    words = (b"ecdsa-sha2-nistp521", b"nistp521", point)
    blob = b"".join(struct.pack(">I", len(word)) + word for word in words)
    return private.decode(), f"ecdsa-sha2-nistp521 {base64.b64encode(blob).decode()}\n"


def _openssl(*words, given=None):
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout


def _lines(lines):
    return "".join(f"{line}\n" for line in lines)
