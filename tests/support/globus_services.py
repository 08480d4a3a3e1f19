"""An unmodified Globus Compute endpoint on this machine, with all that it talks to.

RabbitMQ is the real one; the hosted service has a stand-in. All run in a network namespace of
their own, so that ports cannot clash and nothing leaves the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = "rabbitmq-server iproute2, the lock requirements-globus.lock, and run as root"
CLIENT = "11111111-1111-4111-8111-111111111111"
STANDIN = Path(__file__).parent / "globus" / "standin.py"
_AMQP = "amqp://guest:guest@127.0.0.1:5672/%2F"
_PATIENCE_S = 240.0
_LISTENS = re.compile(rf":{5672:04X} 00000000:0000 0A ")  # proc(5): LISTEN is 0A
_RABBITMQ = """\
listeners.tcp.1 = 127.0.0.1:5672
loopback_users.guest = true
log.console = false
vm_memory_high_watermark.absolute = 512MiB
disk_free_limit.absolute = 50MB
"""


def rabbitmq() -> Path | None:
    """Return RabbitMQ's own program; the one in PATH changes the user."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    return found[-1] if found else None


def globus_is_installed() -> bool:
    """Return whether everything that the fixture starts is there."""
    programs = [shutil.which(name) for name in ("ip", "unshare", "nsenter")]
    module = find_spec("globus_compute_endpoint")
    return all([*programs, module, rabbitmq()]) and os.geteuid() == 0


@dataclass
class GlobusServices:
    """What was started, and how to run programs next to it."""

    root: Path
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    def start(cls) -> GlobusServices:
        """Start the network namespace, RabbitMQ and the stand-in."""
        services = cls(Path(tempfile.mkdtemp(prefix="hp-globus-")))
        try:
            loopback = "ip link set lo up && exec sleep infinity"
            services._begin("network", ["unshare", "-n", "sh", "-c", loopback])
            _wait(services._network_is_up, "the loopback device is not up")
            services._start_rabbitmq()
            command = services._inside(sys.executable, str(STANDIN), _AMQP)
            services._begin("standin", command)
            _wait(lambda: services.events("listening"), f"no stand-in: see {services.root}")
        except BaseException:
            services.stop()
            raise
        return services

    @property
    def environment(self) -> dict[str, str]:
        """What points unmodified programs of Globus here."""
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "GLOBUS_SDK_ENVIRONMENT": "local",
            "GLOBUS_SDK_SERVICE_URL_AUTH": "http://localhost:5000/",
            "GLOBUS_COMPUTE_CLIENT_ID": CLIENT,
            "GLOBUS_COMPUTE_CLIENT_SECRET": self.secret,
            "GLOBUS_COMPUTE_USER_DIR": str(self.root / "user"),
        }

    def command(
        self, *arguments: str, timeout_s: float = 600, **variables: str | None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program next to the services; a variable that is None is taken away."""
        values = {**self.environment, **variables}
        return subprocess.run(
            self._inside(*arguments),
            env={name: value for name, value in values.items() if value is not None},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            cwd=self.root,
        )

    def popen(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a program next to the services."""
        return subprocess.Popen(
            self._inside(*arguments),
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root,
        )

    def hybrid_parsl(self, *arguments: str, **keywords: Any) -> subprocess.CompletedProcess[str]:
        """Run a command of ours."""
        return self.command(sys.executable, "-m", "hybrid_parsl", *arguments, **keywords)

    def python(self, program: str, *arguments: str) -> str:
        """Run a Python program next to the services, and return what it prints."""
        done = self.command(sys.executable, "-W", "ignore", "-c", program, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return what the stand-in has noted of one kind of event."""
        path = self.root / "standin.log"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in found if each["event"] == kind]

    def drop_result(self, task: str) -> None:
        """Have the stand-in forget a result."""
        address = f"http://localhost:5000/standin/drop/{task}"
        self.python(f"from urllib.request import urlopen; urlopen({address!r}).read()")

    def start_endpoint(self, folder: Path) -> str:
        """Start the endpoint whose configuration is in `folder`, and return its id."""
        known = len(self.events("endpoint"))
        command = ["globus-compute-endpoint", "-c", str(folder.parent), "start", folder.name]
        done = self.command(*command, "--detach")
        assert done.returncode == 0, done.stdout + done.stderr
        _wait(lambda: len(self.events("endpoint")) > known, f"no endpoint: {done.stdout}")
        endpoint: str = self.events("endpoint")[known]["endpoint"]
        _wait(lambda: self._is_online(endpoint), f"the endpoint {endpoint} is not online")
        return endpoint

    def stop_endpoint(self, folder: Path) -> None:
        """Stop an endpoint, and what its workers run."""
        self.command("globus-compute-endpoint", "-c", str(folder.parent), "stop", folder.name)

    def stop(self) -> None:
        """End every process of the namespace, and remove the folder."""
        for process in self.inhabitants():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        for started in self.processes.values():
            started.kill()
            started.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def inhabitants(self) -> list[psutil.Process]:
        """Return the processes in the network namespace."""
        holder = self.processes["network"].pid
        with contextlib.suppress(OSError):
            here = Path(f"/proc/{holder}/ns/net").readlink()
            return [each for each in psutil.process_iter() if _namespace(each) == here]
        return []

    def _inside(self, *arguments: str) -> list[str]:
        """Return the command that runs a program in the namespace."""
        return ["nsenter", "-t", str(self.processes["network"].pid), "-n", "--", *arguments]

    def _begin(self, name: str, command: list[str], **variables: str) -> None:
        """Start a program that stays."""
        with (self.root / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env={**self.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _network_is_up(self) -> bool:
        """Return whether the namespace is another one than ours, with a loopback device."""
        done = subprocess.run(
            self._inside("ip", "-o", "addr"), capture_output=True, text=True, check=False
        )
        return "127.0.0.1" in done.stdout and done.stdout.count("\n") <= 2

    def _start_rabbitmq(self) -> None:
        """Start RabbitMQ with all of its files in a folder of its own."""
        folder = self.root / "rabbitmq"
        folder.mkdir()
        (folder / "rabbitmq.conf").write_text(_RABBITMQ)
        (folder / "enabled_plugins").write_text("[].")
        (folder / "advanced.config").write_text(
            "[{kernel,[{inet_dist_use_interface,{127,0,0,1}}]}]."
        )
        variables = {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_BASE": str(folder),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": "test@localhost",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
        }
        self._begin("rabbitmq", self._inside(str(rabbitmq())), **variables)
        listening = Path(f"/proc/{self.processes['network'].pid}/net/tcp")  # of the namespace
        message = f"RabbitMQ does not listen: see {self.root}/rabbitmq.log"
        _wait(lambda: _LISTENS.search(listening.read_text()), message)

    def _is_online(self, endpoint: str) -> bool:
        """Return whether the service takes an endpoint for online."""
        program = (
            "from globus_compute_sdk import Client\n"
            f"print(Client().get_endpoint_status({endpoint!r})['status'])"
        )
        return "online" in self.python(program)


def _namespace(process: psutil.Process) -> Path | None:
    """Return the network namespace of a process, None if it has ended."""
    try:
        return Path(f"/proc/{process.pid}/ns/net").readlink()
    except OSError:
        return None


def _wait(condition: Callable[[], object], message: str) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(message)
        time.sleep(0.1)
