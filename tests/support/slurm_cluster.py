"""A real Slurm of four nodes on this machine: its own folder, ports and munge socket.

Slurm sees four nodes of four CPUs that are four slurmd processes of this host. They share its
name and its files; a process tells where it is by ``$SLURMD_NODENAME``. Memory and CPU limits
are not enforced, and time limits are swept about once a minute.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import slurm_processes
from waiting import PATIENCE_S

from hybrid_parsl.parent_death import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGES = "slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge libpmi2-0 slurm-wlm-torque"
PLUGIN_PACKAGES = "gcc libslurm-dev"
QPUS = ("fez", "loop_fez")
N_NODES = 4
N_CPUS = 4
_PREFIX = "hp-slurm-"  # in the temporary folder: the path of a socket has to be short
_CONFIGURATION = """\
ClusterName=fake
FirstJobId={first_job_id}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={root}/munge.sock
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd-%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={root}/log/jobs.txt
SwitchType=switch/none
MpiDefault=pmi2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,max_rpc_cnt=0
ReturnToService=2
SlurmctldTimeout=300
SlurmdTimeout=300
TCPTimeout=5
MessageTimeout=5
KillWait=3
MinJobAge=300
WaitTime=0
InactiveLimit=0
MailProg=/bin/true
EnforcePartLimits=ALL
UnkillableStepTimeout=300
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs={cpus} \
Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=01:00:00 DefaultTime=00:10:00 State=UP
Licenses=fez:1
PartitionName=one Nodes=n1 MaxTime=00:05:00 State=UP
"""


def plugins_can_be_built() -> bool:
    """Return whether a plug-in of Slurm can be compiled here."""
    return shutil.which("gcc") is not None and Path("/usr/include/slurm/spank.h").exists()


def slurm_is_installed() -> bool:
    """Return whether the daemons and clients are there."""
    programs = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol", "qsub")
    return all(_program(name) for name in programs)


@dataclass
class SlurmCluster:
    """The cluster and what it was started in; made by `start`, ended by `stop`.

    Its daemons are children that end with the process that started them. What their jobs leave
    behind is cleared away by another child, which outlives that process.
    """

    root: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    clearer: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls) -> SlurmCluster:
        """Start munge, the controller and the nodes, and wait until the nodes are idle."""
        cluster = cls(Path(tempfile.mkdtemp(prefix=_PREFIX)))
        cluster.clearer = subprocess.Popen(
            [sys.executable, slurm_processes.__file__, str(cluster.root)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            with _only_one_chooses_ports():
                cluster._configure()
                cluster._start_munge()
                cluster.start_controller()
                for number in range(1, N_NODES + 1):
                    cluster.start_node(f"n{number}")
                cluster.wait_for_nodes()
        except BaseException:
            cluster.stop()
            raise
        return cluster

    @property
    def configuration(self) -> Path:
        """The value of ``SLURM_CONF``."""
        return self.root / "slurm.conf"

    @property
    def qpu_account(self) -> Path:
        """A file with the variables of a job that was granted a QPU; see ``spank_qpu.c``."""
        return self.root / "qpu_account"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a client."""
        return {**os.environ, "SLURM_CONF": str(self.configuration)}

    def command(self, *arguments: str) -> str:
        """Run a Slurm command and return what it printed."""
        done = subprocess.run(
            arguments, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def queue(self) -> list[str]:
        """Return the ids of the jobs that wait or run."""
        return self.command("squeue", "-h", "-o", "%i").split()

    def job_names(self) -> list[str]:
        """Return the name of each job that was ever submitted and is still remembered."""
        return self.command("squeue", "-h", "-t", "all", "-o", "%j").split()

    def job_log(self) -> list[str]:
        """Return what the controller has written down of each ended job, a line a job."""
        return (self.root / "log" / "jobs.txt").read_text().splitlines()

    def start_controller(self) -> None:
        """Start slurmctld."""
        self._daemon("slurmctld", "slurmctld", "-D")

    def stop_controller(self) -> None:
        """Stop slurmctld; jobs go on."""
        self._end("slurmctld")

    def start_node(self, name: str) -> None:
        """Start the slurmd of a node."""
        (self.root / "spool" / name).mkdir(exist_ok=True)
        self._daemon(name, "slurmd", "-D", "-N", name)

    def kill_node(self, name: str) -> None:
        """Let a node die, with all that runs on it."""
        self.daemons[name].kill()
        slurm_processes.kill_all(self.root, name)
        self._end(name)

    def lose_node_of(self, job_id: str) -> None:
        """Let the node of a job die and come back; Slurm is told, as it would take minutes."""
        node = self.command("squeue", "-h", "-j", job_id, "-o", "%N").strip()
        self.kill_node(node)
        self.command("scontrol", "update", f"nodename={node}", "state=down", "reason=died")
        self.start_node(node)

        def is_back() -> bool:
            state = self.command("sinfo", "-h", "-p", "debug", "-n", node, "-o", "%T").strip()
            if state.startswith("drain"):
                self.command("scontrol", "update", f"nodename={node}", "state=resume")
            return state in {"idle", "mixed", "allocated"}  # the next job may be there already

        _wait(is_back, f"{node} does not come back: see {self.root}/log")

    def wait_for_nodes(self) -> None:
        """Wait until all nodes are idle."""
        command = ("sinfo", "-h", "-N", "-p", "debug", "-o", "%T")

        def idle() -> bool:
            return self.command(*command).split() == ["idle"] * N_NODES

        _wait(idle, f"nodes are not up: see {self.root}/log")

    def stop(self) -> None:
        """Cancel all jobs, end every process that was started, remove the folder."""
        if "slurmctld" in self.daemons:
            with contextlib.suppress(AssertionError, OSError, TimeoutError):
                self.command("scancel", "--me")
                self._wait_for_empty_queue()
        for name in reversed(list(self.daemons)):
            self._end(name)
        if self.clearer is not None:
            self.clearer.communicate()

    def _configure(self) -> None:
        """Write all that the daemons read."""
        for name in ("run", "log", "state", "spool"):
            (self.root / name).mkdir()
        self.root.chmod(0o755)
        port = _free_ports(N_NODES + 1)
        text = _CONFIGURATION.format(
            # ids never repeat between clusters: files are named after them
            first_job_id=random.SystemRandom().randrange(1000, 60_000_000),
            host=socket.gethostname().partition(".")[0],
            user=getpass.getuser(),
            root=self.root,
            port=port,
            first=port + 1,
            last=port + N_NODES,
            nodes=N_NODES,
            cpus=N_CPUS,
        )
        self.configuration.write_text(text)
        plugins = "optional spank_pbs.so\n"  # PBS_JOBID
        if plugins_can_be_built():
            plugin = self.root / "spank_qpu.so"
            source = Path(__file__).with_name("spank_qpu.c")
            subprocess.run(["gcc", "-shared", "-fPIC", "-o", plugin, source], check=True)
            plugins += f"required {plugin} names={','.join(QPUS)} account={self.qpu_account}\n"
        (self.root / "plugstack.conf").write_text(plugins)
        key = self.root / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))

    def _start_munge(self) -> None:
        """Start munged on a socket of its own."""
        self._daemon(
            "munged",
            "munged",
            "--foreground",
            "--force",  # a temporary folder that others may write to is refused otherwise
            f"--key-file={self.root}/munge.key",
            f"--socket={self.root}/munge.sock",
            f"--pid-file={self.root}/run/munged.pid",
            f"--log-file={self.root}/log/munged.log",
            f"--seed-file={self.root}/munge.seed",
            "--num-threads=2",
        )
        _wait((self.root / "munge.sock").exists, f"no munge: see {self.root}/log")

    def _daemon(self, name: str, program: str, *arguments: str) -> None:
        """Start a daemon as a child that dies with this process."""
        with (self.root / "log" / f"{name}.err").open("a") as log:
            self.daemons[name] = subprocess.Popen(
                [_program(program) or program, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - a prctl and nothing else
            )

    def _end(self, name: str) -> None:
        """End a daemon."""
        process = self.daemons.pop(name)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait_for_empty_queue(self) -> None:
        """Wait until no job is left."""
        _wait(lambda: not self.queue(), "jobs are left")


@contextlib.contextmanager
def _only_one_chooses_ports() -> Iterator[None]:
    """Let the other clusters of this host wait until the ports of this one are taken."""
    with Path(_program("slurmctld") or os.devnull).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _program(name: str) -> str | None:
    """Return the path of a program; daemons live where PATH may not look."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _free_ports(n_ports: int) -> int:
    """Return the first of `n_ports` free ports in a row, below those of outgoing connections."""
    first = 17_000 + os.getpid() % 1000 * 10
    while not all(_is_free(port) for port in range(first, first + n_ports)):
        first += n_ports
    return first


def _is_free(port: int) -> bool:
    """Return whether nobody listens on `port`."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _wait(condition: Callable[[], object], message: str) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(message)
        time.sleep(0.05)
