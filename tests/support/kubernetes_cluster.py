"""A real Kubernetes of one node on this machine, built from Debian's source package.

It lives in network and mount namespaces of its own; the scripts beside this file say how. Its API
server answers on the loopback, a stand-in for the MPI Operator looks after MPIJobs. What was built
is kept for the next time.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SUPPORT = Path(__file__).parent
SCRIPTS = SUPPORT / "kubernetes"
PACKAGES = "socat iproute2 openssl gcc libc6-dev dpkg-dev, as root"
IMAGE = "localhost/debian:local"
_BUILD_S, _START_S = 3600, 300
_CREATED = 201


def kubernetes_can_run() -> bool:
    """Return whether what is needed from the system is there."""
    programs = ("socat", "ip", "openssl", "gcc", "dpkg-source", "unshare", "nsenter")
    return os.geteuid() == 0 and all(shutil.which(name) for name in programs)


@dataclass(frozen=True)
class KubernetesCluster:
    """The cluster; made by `start`, ended by `stop`.

    One that runs already is used, and left, where HYBRID_PARSL_KUBERNETES_UP is set.

    Attributes
    ----------
    root
        Holds what was built, and the state of the cluster that runs.
    is_ours
        Whether it was started here.
    """

    root: Path
    is_ours: bool = True

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of its administrator."""
        return self.root / "run" / "admin.conf"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make it the user's cluster."""
        return {"KUBECONFIG": str(self.kubeconfig)}

    @classmethod
    def start(cls) -> KubernetesCluster:
        """Build what is not there yet, and start the cluster."""
        default = Path("~/.cache/hybrid-parsl-kubernetes").expanduser()
        root = Path(os.environ.get("HYBRID_PARSL_KUBERNETES", default))
        if "HYBRID_PARSL_KUBERNETES_UP" in os.environ and (root / "run" / "pids").exists():
            return cls(root, is_ours=False)
        root.mkdir(parents=True, exist_ok=True)
        cluster = cls(root)
        cluster.script("build.sh", _BUILD_S)
        cluster.script("down.sh", _START_S)
        try:
            cluster.script("up.sh", _START_S)
            operator = [sys.executable, str(SUPPORT / "mpi_operator.py"), str(cluster.kubeconfig)]
            cluster._spawn("mpi-operator", operator)
            cluster._wait_until_there("get", "crd", "mpijobs.kubeflow.org")
        except BaseException:
            cluster.stop()
            raise
        return cluster

    def stop(self) -> None:
        """End the cluster and all of its pods."""
        if self.is_ours:
            self.script("down.sh", _START_S)

    def import_image(self, archive: Path) -> None:
        """Give the node the image in an archive of Docker or OCI."""
        self.script("import.sh", _START_S, str(archive))

    def created(self) -> list[tuple[str, str]]:
        """Return kind and name of each Job and MPIJob that was ever created, from the audit."""
        log = self.root / "run" / "log" / "audit.log"
        events = [json.loads(line) for line in log.read_text().splitlines()]
        return [
            (event["objectRef"]["resource"], event["objectRef"].get("name", ""))
            for event in events
            if event["responseStatus"]["code"] == _CREATED and "dryRun" not in event["requestURI"]
        ]

    def stop_api_server(self) -> list[str]:
        """Kill the API server; return what starts it again with `start_api_server`.

        Asked to end, it would still hold its connections for a minute.
        """
        number = self._processes()["apiserver"]
        command = Path(f"/proc/{number}/cmdline").read_text().split("\0")[:-1]
        os.kill(number, signal.SIGKILL)
        while Path(f"/proc/{number}").exists():
            time.sleep(0.05)
        return command

    def start_api_server(self, command: list[str]) -> None:
        """Start the API server again."""
        (holder,) = Path(f"/proc/{self._processes()['holder']}/task").glob("*/children")
        inside = ["nsenter", "-t", holder.read_text().split()[0], "--net", "--mount", "--"]
        self._spawn("apiserver", [*inside, *command])
        self._wait_until_there("get", "--raw", "/readyz")

    def script(self, name: str, limit_s: float, *words: str) -> None:
        """Run one of the scripts; a pipe would be kept open by what it starts."""
        log = self.root / f"{name}.log"
        with log.open("w") as file:
            done = subprocess.run(
                ["bash", str(SCRIPTS / name), *words],
                env={**os.environ, "K8S_ROOT": str(self.root)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=limit_s,
            )
        if done.returncode:
            raise RuntimeError(f"{name} failed:\n{log.read_text()[-2000:]}")

    def kubectl(self, *words: str, given: str | None = None, limit_s: float = 60) -> str:
        """Return what kubectl prints; `given` is its standard input."""
        done = subprocess.run(
            [str(self.root / "deb/usr/bin/kubectl"), "--kubeconfig", str(self.kubeconfig), *words],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
        )
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(words)}: {done.stderr}")
        return done.stdout

    def _processes(self) -> dict[str, int]:
        """Return the processes of the cluster by name; the last of a name counts."""
        lines = (self.root / "run" / "pids").read_text().splitlines()
        return {name: int(number) for name, number in map(str.split, lines)}

    def _spawn(self, name: str, command: list[str]) -> None:
        """Start a process that `down.sh` ends, and that is no child of this one."""
        line = 'setsid nohup "$@" >>"$0" 2>&1 </dev/null & echo "$!"'
        log = str(self.root / "run" / "log" / f"{name}.log")
        done = subprocess.run(
            ["bash", "-c", line, log, *command], stdout=subprocess.PIPE, text=True, check=True
        )
        with (self.root / "run" / "pids").open("a") as file:
            file.write(f"{name} {done.stdout.strip()}\n")

    def _wait_until_there(self, *words: str) -> None:
        """Wait until kubectl succeeds."""
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.kubectl(*words)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return
