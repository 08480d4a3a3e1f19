"""A real Kubernetes of one node on this machine, built from Debian's source package.

It lives in network and mount namespaces of its own; the scripts beside this file say how. Its API
server answers on the loopback. What was built is kept for the next time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent / "kubernetes"
PACKAGES = "kubernetes-client socat iproute2 openssl gcc bc, as root"
IMAGE = "localhost/debian:local"
_BUILD_S, _START_S = 3600, 300


def kubernetes_can_run() -> bool:
    """Return whether what is needed from the system is there."""
    programs = ("kubectl", "socat", "ip", "openssl", "gcc", "bc", "unshare", "nsenter")
    return os.geteuid() == 0 and all(shutil.which(name) for name in programs)


@dataclass(frozen=True)
class KubernetesCluster:
    """The cluster; made by `start`, ended by `stop`.

    Attributes
    ----------
    root
        Holds what was built, and the state of the cluster that runs.
    """

    root: Path

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of its administrator."""
        return self.root / "run" / "admin.conf"

    @classmethod
    def start(cls) -> KubernetesCluster:
        """Build what is not there yet, and start the cluster."""
        default = Path("~/.cache/hybrid-parsl-kubernetes").expanduser()
        root = Path(os.environ.get("HYBRID_PARSL_KUBERNETES", default))
        root.mkdir(parents=True, exist_ok=True)
        cluster = cls(root)
        cluster.script("build.sh", _BUILD_S)
        cluster.script("down.sh", _START_S)
        cluster.script("up.sh", _START_S)
        return cluster

    def stop(self) -> None:
        """End the cluster and all of its pods."""
        self.script("down.sh", _START_S)

    def script(self, name: str, limit_s: float) -> None:
        """Run one of the scripts; a pipe would be kept open by what it starts."""
        log = self.root / f"{name}.log"
        with log.open("w") as file:
            done = subprocess.run(
                ["bash", str(SCRIPTS / name)],
                env={**os.environ, "K8S_ROOT": str(self.root)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=limit_s,
            )
        if done.returncode:
            raise RuntimeError(f"{name} failed:\n{log.read_text()[-2000:]}")

    def kubectl(self, *words: str) -> str:
        """Return what kubectl prints."""
        return subprocess.run(
            ["kubectl", "--kubeconfig", str(self.kubeconfig), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
