"""What a cluster does with jobs, for tests: makes their pods, and really runs their commands.

The commands run on this machine, in folders of their own; an MPIJob's launcher uses this machine's
mpirun. A test may hold a job's pods back and play its own story with them instead.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import posixpath
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil

_POD_ADDRESS = "127.0.0.1"
PODS_OF = {"jobs": [("main", "")], "mpijobs": [("launcher", "-launcher")]}

# the image's own MPI, before one of this machine (that of Slurm's wrappers, for example)
_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


class PodRunner:
    """Plays the controllers and the kubelet of a `kubernetes_api.KubernetesApi`."""

    def __init__(self, api, *, runs=True, root=None):
        self.api = api
        self.store = api.store
        self.runs = runs
        self.root = root
        self.hold = set()
        self.processes = {}
        self.store.listeners.append(self._heard)

    def _heard(self, plural, event, thing):
        if plural not in PODS_OF:
            return
        name = thing["metadata"]["name"]
        held = any(name.startswith(prefix) for prefix in self.hold)
        if event == "ADDED" and not held:
            threading.Thread(target=self._carry_out, args=(plural, thing), daemon=True).start()
        elif event == "DELETED":
            self._collect(thing)
        elif "deletionTimestamp" in thing["metadata"]:
            threading.Thread(target=self._tear_down, args=(plural, thing), daemon=True).start()

    def _carry_out(self, plural, job):
        if plural == "mpijobs":
            replicas = job["spec"]["mpiReplicaSpecs"]
            for number in range(replicas.get("Worker", {}).get("replicas", 0)):
                pod = self.make_pod(job, "worker", f"-worker-{number}")
                self.set_running(pod)
            template = replicas["Launcher"]["template"]
        else:
            template = job["spec"]["template"]
        role, suffix = PODS_OF[plural][0]
        pod = self.make_pod(job, role, suffix or "-abcde")
        if not self.runs:
            self.set_running(pod)
            self.end(pod, 0)
            self.finish(plural, job, 0)
            return
        try:
            code = self._run(pod, template, job["metadata"]["namespace"])
        except LookupError:  # its test is over
            return
        if pod in self.processes:
            self.end(pod, code)
        self.finish(plural, job, code)

    def make_pod(self, job, role="main", suffix="-abcde", **status):
        """Make a pod of `job`, pending, and return its name."""
        name = job["metadata"]["name"]
        spec = job["spec"]
        if role != "main":
            template = spec["mpiReplicaSpecs"][role.title()]["template"]
        else:
            template = spec["template"]
        pod = {
            "metadata": {
                "name": name + suffix,
                "namespace": job["metadata"]["namespace"],
                "labels": dict(template["metadata"]["labels"]),
                "ownerReferences": [{"uid": job["metadata"]["uid"], "controller": True}],
            },
            "spec": {**template["spec"], "nodeName": "node1"},
            "status": {"phase": "Pending", **status},
        }
        self.store.put("pods", pod)
        return (job["metadata"]["namespace"], name + suffix)

    def set_status(self, pod, **status):
        return self.store.update("pods", *pod, lambda thing: thing["status"].update(status))

    def set_running(self, pod):
        state = {"name": "job", "state": {"running": {}}}
        self.set_status(pod, phase="Running", containerStatuses=[state])

    def set_waiting(self, pod, reason, message=""):
        state = {"waiting": {"reason": reason, "message": message}}
        self.set_status(pod, phase="Pending", containerStatuses=[{"name": "job", "state": state}])

    def end(self, pod, code, word=None, **status):
        """End a pod with an exit code."""
        word = word or ("Completed" if code == 0 else "Error")
        state = {"terminated": {"exitCode": code, "reason": word}}
        phase = "Succeeded" if code == 0 else "Failed"
        states = [{"name": "job", "state": state}]
        self.set_status(pod, phase=phase, containerStatuses=states, **status)

    def finish(self, plural, job, code, reason="BackoffLimitExceeded", message="it failed"):
        """Let the controller say that a job has ended."""
        kind = {"jobs": ("Complete", "Failed"), "mpijobs": ("Succeeded", "Failed")}[plural]
        condition = {
            "type": kind[code != 0],
            "status": "True",
            "reason": reason,
            "message": message,
        }
        where = (job["metadata"]["namespace"], job["metadata"]["name"])
        self.store.update(
            plural, *where, lambda thing: thing.update(status={"conditions": [condition]})
        )

    def _run(self, pod, template, namespace):
        container = self._inside(pod, template["spec"]["containers"][0])
        folder = container.get("workingDir") or "/"
        self._mount(template["spec"], container, namespace)
        variables = {
            each["name"]: each.get("value", _POD_ADDRESS).replace("$$", "$")
            for each in container["env"]
        }
        words = [
            variables[word[2:-1]] if word.startswith("$(") else word.replace("$$", "$")
            for word in container.get("command", []) + container.get("args", [])
        ]
        with contextlib.suppress(OSError):
            Path(folder).mkdir(parents=True, exist_ok=True)
        try:
            process = subprocess.Popen(
                words,
                cwd=folder,
                env={**os.environ, "PATH": _PATH, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self.api.logs[pod[1]] = b""
            state = {"exitCode": 128, "reason": "StartError", "message": str(error)}
            states = [{"name": "job", "state": {"terminated": state}}]
            self.set_status(pod, phase="Failed", containerStatuses=states)
            return 128
        self.processes[pod] = process
        log = bytearray()
        self.api.logs[pod[1]] = lambda: bytes(log)
        self.set_running(pod)
        with process.stdout:
            for piece in iter(lambda: process.stdout.read1(65536), b""):
                log += piece
        code = process.wait()
        return 128 - code if code < 0 else code

    def _inside(self, pod, container):
        """Return a container whose directory is a folder that only its pod has."""
        folder = container.get("workingDir")
        if self.root is None or folder is None:
            return container
        text = json.dumps(container)
        return json.loads(text.replace(json.dumps(folder)[1:-1], f"{self.root}/{pod[1]}{folder}"))

    def _mount(self, spec, container, namespace):
        """Put the inputs of a pod where it will look for them."""
        for mount in container["volumeMounts"]:
            volume = next(each for each in spec["volumes"] if each["name"] == mount["name"])
            if "emptyDir" in volume:
                Path(mount["mountPath"]).mkdir(parents=True, exist_ok=True)
            if "secret" in volume:
                data = self._secret(namespace, volume["secret"]["secretName"])
                target = Path(mount["mountPath"])
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(base64.b64decode(data[posixpath.basename(mount["subPath"])]))

    def _secret(self, namespace, name):
        with self.store.changed:
            there = lambda: self.store.get("secrets", namespace, name)  # noqa: E731
            if not self.store.changed.wait_for(there, 10):
                raise LookupError(name)
            return there()["data"]

    def _tear_down(self, plural, job):
        """End the pods of a job that is being deleted, then the job."""
        namespace, name = job["metadata"]["namespace"], job["metadata"]["name"]
        for pod in self.store.all("pods", namespace, {"psij/job": name}):
            where = (namespace, pod["metadata"]["name"])
            self.store.update(
                "pods", *where, lambda thing: thing["metadata"].update(deletionTimestamp="now")
            )
            process = self.processes.get(where)
            if process is not None and process.poll() is None:
                _end_like_a_kubelet(process, pod["spec"].get("terminationGracePeriodSeconds", 30))
            if pod["status"].get("phase") in ("Pending", "Running"):
                self.end(where, 143)
            self.store.remove("pods", *where)
        self.store.remove(plural, namespace, name)

    def _collect(self, job):
        """Remove what belonged to a job that is gone."""
        namespace, uid = job["metadata"]["namespace"], job["metadata"]["uid"]
        for plural in ("pods", "secrets"):
            for thing in self.store.all(plural, namespace):
                owners = thing["metadata"].get("ownerReferences", [])
                if any(each["uid"] == uid for each in owners):
                    self.store.remove(plural, namespace, thing["metadata"]["name"])

    def close(self):
        for process in self.processes.values():
            _end_like_a_kubelet(process, 0)


def _end_like_a_kubelet(process, grace_s):
    """Tell a container to end, and after some time end all that is in it."""
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
        inside = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
        for each in [*inside, process]:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                each.kill()
    with contextlib.suppress(ProcessLookupError):  # what it has begun meanwhile
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
