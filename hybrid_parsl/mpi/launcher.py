"""Start MPI ranks on this host alone: ``python -m hybrid_parsl.mpi.launcher N COMMAND...``.

MPICH's launcher, Hydra, listens on every address of the host, even for ranks that all run there.
This one shares a pair of Unix sockets with each rank, speaks PMI-1 over it, and restricts MPICH to
transports within the host: nothing that a job starts can be reached from elsewhere.

A rank that is killed, ends with an exit code or calls MPI_Abort ends all others at once. The exit
code is that of the first rank that failed, or 128 + n for signal n; standard error names the rank.
The ranks inherit the launcher's output, rank 0 its input as well.

Sources: MPICH 5.0.2, src/pmi (client) and src/pm/hydra (server).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys

TYPE_CHECKING = False  # the module typing would take half of the time to start
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

OF_LAUNCHERS = ("PMI_", "PMIX_", "OMPI_", "PRTE_", "HYDI_")
"""How the variables begin by which launchers of MPI connect ranks to themselves."""

TRANSPORTS = {
    "UCX_TLS": "self,sysv",  # System V's shared memory: what /dev/shm holds is left to MPICH
    "UCX_NET_DEVICES": "lo",
    "FI_PROVIDER": "tcp",
    "FI_TCP_IFACE": "lo",
}
"""What restricts MPICH's network modules, UCX and libfabric, to this host."""

_LIMITS = "kvsname_max=256 keylen_max=64 vallen_max=1024"
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNAL_OFFSET = 128
_MOST = 65_536


class _Rank:
    """A rank and the channel on which it sends requests.

    Attributes
    ----------
    number
        The rank, counted from 0.
    process
        Its process.
    channel
        The launcher's end of the pair of sockets.
    is_open
        Whether the rank may still send something.
    is_connected
        Whether it is between MPI_Init and MPI_Finalize.
    """

    def __init__(self, number: int, n_ranks: int, command: Sequence[str]) -> None:
        self.number = number
        self.is_open = True
        self.is_connected = False
        self._received = b""
        self.channel, other = socket.socketpair()
        self.channel.settimeout(0.0)
        with other:
            kept = {k: v for k, v in os.environ.items() if not k.startswith(OF_LAUNCHERS)}
            pmi = {"PMI_FD": other.fileno(), "PMI_RANK": number, "PMI_SIZE": n_ranks}
            pmi |= {"MPI_LOCALRANKID": number, "MPI_LOCALNRANKS": n_ranks}  # as Hydra does
            self.process = subprocess.Popen(  # noqa: S603 - what the caller asks for
                command,
                env={**TRANSPORTS, **kept, **{key: str(value) for key, value in pmi.items()}},
                stdin=None if number == 0 else subprocess.DEVNULL,
                pass_fds=(other.fileno(),),
                start_new_session=True,
            )

    def requests(self) -> Iterator[dict[str, str]]:
        """Yield the requests that have arrived since the last call."""
        data = _received(self.channel)
        while data:
            self._received += data
            data = _received(self.channel)
        self.is_open = data is None
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            words = (word.partition("=") for word in os.fsdecode(line).split())
            yield {key: value for key, _, value in words}

    def reply(self, text: str) -> None:
        """Send a line, unless the rank has ended."""
        with contextlib.suppress(OSError):
            self.channel.sendall(f"{text}\n".encode())

    def explain(self, code: int) -> int:
        """Return the job's exit code for a process that has ended with `code`, 0 for success.

        A failure is reported on standard error.
        """
        if code == 0 and not self.is_connected:
            return 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        sys.stderr.write(f"launcher: rank {self.number} on {socket.gethostname()} {how}\n")
        return _SIGNAL_OFFSET - code if code < 0 else code or 1


class _Server:
    """The key-value space and the barrier of one launch.

    Parameters
    ----------
    ranks
        All ranks.
    """

    def __init__(self, ranks: Sequence[_Rank]) -> None:
        self._ranks = ranks
        self._name = f"kvs_{os.getpid()}"
        self._values = {"PMI_process_mapping": f"(vector,(0,1,{len(ranks)}))"}
        self._n_waiting = 0

    def serve(self, rank: _Rank) -> int:
        """Answer the requests of `rank`; return the exit code of MPI_Abort, 0 without one."""
        for request in rank.requests():
            command = request.get("cmd", "")
            if command == "abort":
                return int(request.get("exitcode", "1")) & 0xFF or 1
            if command == "barrier_in":
                self._enter_barrier()
            else:
                rank.reply(self._answer(rank, command, request))
        return 0

    def _answer(self, rank: _Rank, command: str, request: dict[str, str]) -> str:
        """Return the answer to a request that concerns no other rank."""
        key = request.get("key", "")
        if command == "put":
            self._values[key] = request.get("value", "")
        if command in ("init", "finalize"):
            rank.is_connected = command == "init"
        value = self._values.get(key)
        found = "rc=-1 msg=key_not_found" if value is None else f"rc=0 msg=success value={value}"
        return {
            "init": "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0",
            "get_maxes": f"cmd=maxes rc=0 {_LIMITS}",
            "get_appnum": "cmd=appnum rc=0 appnum=0",
            "get_my_kvsname": f"cmd=my_kvsname rc=0 kvsname={self._name}",
            "get_universe_size": f"cmd=universe_size rc=0 size={len(self._ranks)}",
            "put": "cmd=put_result rc=0 msg=success",
            "get": f"cmd=get_result {found}",
            "finalize": "cmd=finalize_ack rc=0",
        }.get(command, f"cmd={command}_result rc=-1 msg=not_supported")

    def _enter_barrier(self) -> None:
        """Let all ranks go on when the last one has entered."""
        self._n_waiting += 1
        if self._n_waiting == len(self._ranks):
            self._n_waiting = 0
            for rank in self._ranks:
                rank.reply("cmd=barrier_out rc=0")


def launch(n_ranks: int, command: Sequence[str]) -> int:
    """Run `command` on `n_ranks` ranks and return the exit code of the job.

    Parameters
    ----------
    n_ranks
        At least 1.
    command
        Program and arguments.
    """
    signals = _signals()
    ranks: list[_Rank] = []
    try:
        ranks.extend(_Rank(number, n_ranks, command) for number in range(n_ranks))
        return _watch(ranks, signals)
    finally:
        for rank in ranks:
            rank.process.kill()
        for rank in ranks:
            rank.process.wait()


def _watch(ranks: Sequence[_Rank], signals: socket.socket) -> int:
    """Serve the ranks until all have finished or one has failed; return the exit code."""
    server = _Server(ranks)
    running = list(ranks)
    while running:
        _wait([signals, *(rank.channel for rank in ranks if rank.is_open)])
        received = _received(signals) or b""
        for number in _ENDINGS:
            if number in received:
                return _SIGNAL_OFFSET + number
        for rank in list(running):
            code = rank.process.poll()  # first: a rank that has ended sends nothing later
            if aborted := server.serve(rank):
                return aborted
            if code is not None:
                running.remove(rank)
                if failed := rank.explain(code):
                    return failed
    return 0


def _wait(sockets: Iterable[socket.socket]) -> None:
    """Wait until something has arrived on a socket, or its other end is closed."""
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    poll.poll()


def _received(channel: socket.socket) -> bytes | None:
    """Return what has arrived, nothing if the other end is closed, None if there is no more."""
    try:
        return channel.recv(_MOST)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _signals() -> socket.socket:
    """Return a socket that receives the number of each signal that concerns the launcher.

    One that is ignored, as in the background of a shell, stays ignored.
    """
    receiver, sender = socket.socketpair()
    receiver.settimeout(0.0)
    sender.settimeout(0.0)
    signal.set_wakeup_fd(sender.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *_ENDINGS):
        if number is signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    return receiver


if __name__ == "__main__":
    sys.exit(launch(int(sys.argv[1]), sys.argv[2:]))
