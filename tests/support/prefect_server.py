"""A Prefect server of its own on this machine, without telemetry."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = "hybrid-parsl[prefect]"
_PATIENCE_S = 480.0


@dataclass
class PrefectServer:
    """A server on loopback with a folder for its database.

    Attributes
    ----------
    port
        Where it listens.
    home
        Its folder.
    """

    port: int
    home: Path
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def begin(cls) -> PrefectServer:
        """Start a server and wait until it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            server = cls(free.getsockname()[1], Path(tempfile.mkdtemp(prefix="prefect-")))
        server.spawn("server", "start", "--host", "127.0.0.1", "--port", str(server.port))
        try:
            server.wait(server._answers)
        except TimeoutError:
            server.stop()
            raise
        return server

    @property
    def variables(self) -> dict[str, str]:
        """What the environment of its clients has to say."""
        return {
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "HTTPS_PROXY": "http://127.0.0.1:9",  # whatever else asks the internet fails at once
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def spawn(self, *arguments: str, folder: Path | None = None) -> subprocess.Popen[bytes]:
        """Start the command line of Prefect in the background; it ends with the server."""
        log = (self.home / f"{arguments[0]}.log").open("ab")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, **self.variables, **_here(folder)},
            )
        self._processes.append(process)
        return process

    def command(self, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess:
        """Run the command line of Prefect to its end."""
        return subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, **self.variables, "COLUMNS": "500", **_here(folder)},
            timeout=_PATIENCE_S,
        )

    def ask(self, path: str, **body: Any) -> Any:
        """Return what the server's API answers: to a GET, or with a body to a POST."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/{path}",
            data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def wait(self, condition: Any) -> Any:
        """Return the first value of `condition` that is true, once there is one."""
        deadline = time.monotonic() + _PATIENCE_S
        while not (value := condition()):
            if time.monotonic() > deadline or self._processes[0].poll() is not None:
                log = (self.home / "server.log").read_text(errors="replace")
                raise TimeoutError(log[-2000:])
            time.sleep(0.2)
        return value

    def stop(self) -> None:
        """End the server and all that was started beside it, the last first; remove its folder."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _answers(self) -> bool:
        """Return whether the server answers."""
        try:
            return bool(self.ask("health"))
        except (OSError, urllib.error.URLError):
            return False


def _here(folder: Path | None) -> dict[str, str]:
    """Return what a shell says of the folder in which a command is started."""
    return {} if folder is None else {"PWD": str(folder)}
