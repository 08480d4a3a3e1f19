"""A loopback stand-in of IBM's Quantum service, and an account that leads the client there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantum_server import API_KEY, CRN
from waiting import wait_until

PACKAGE = "hybrid-parsl[ibm]"
DEVICE = "ibm:loop_manila"
_SERVER = Path(__file__).with_name("quantum_server.py")
_HOST = "http://quantum.test"
SUBMISSION = "POST /api/v1/jobs$"
"""The request that hands a job over."""


@dataclass
class QuantumService:
    """The service, and the folder of its jobs, which survive its end.

    Attributes
    ----------
    folder
        Holds the jobs, and the home of a user with an account.
    port
        Where it listens, on loopback.
    """

    folder: Path
    port: int = 0
    _process: subprocess.Popen[str] | None = None

    @classmethod
    def start(cls) -> QuantumService:
        """Start a service without jobs."""
        service = cls(Path(tempfile.mkdtemp(prefix="quantum-service-")))
        service.begin()
        service.save_account()
        return service

    def begin(self) -> None:
        """Start the server, with the jobs that an earlier one has left, on the same port."""
        command = [sys.executable, str(_SERVER), str(self.folder / "jobs"), "--port"]
        self._process = subprocess.Popen(
            [*command, str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.port = int(self._process.stdout.readline())

    def end(self) -> None:
        """Kill the server; its jobs stay."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process.stdout.close()
            self._process = None

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def save_account(self, **changes: Any) -> None:
        """Save the account of the home, as the client's ``save_account`` does."""
        root = f"http://127.0.0.1:{self.port}"
        account = {
            "channel": "ibm_quantum_platform",
            "url": _HOST,
            "token": API_KEY,
            "instance": CRN,
            "proxies": {"urls": {"http": root}},
            "verify": True,
            "private_endpoint": False,
            **changes,
        }
        path = self.folder / "home" / ".qiskit" / "qiskit-ibm.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"default-ibm-quantum-platform": account}))

    @property
    def variables(self) -> dict[str, str]:
        """What the environment of its clients has to say."""
        return {
            "HOME": str(self.folder / "home"),
            "IAM_URL": f"http://127.0.0.1:{self.port}",
            "NO_PROXY": "127.0.0.1",
        }

    @property
    def granted(self) -> dict[str, str]:
        """What QRMI's plug-in for Slurm gives to a job, each name without that of the QPU."""
        return {
            "QRMI_IBM_QCS_ENDPOINT": "http://us-east.quantum.test/api/v1",
            "QRMI_IBM_QCS_IAM_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "QRMI_IBM_QCS_IAM_APIKEY": API_KEY,
            "QRMI_IBM_QCS_SERVICE_CRN": CRN,
        }

    @property
    def proxy(self) -> dict[str, str]:
        """The variables that lead a client without a saved account to this machine."""
        return {"http_proxy": f"http://127.0.0.1:{self.port}", "NO_PROXY": "127.0.0.1"}

    def fail(self, match: str, status: int, *, times: int = 1, when: str = "before") -> None:
        """Let requests fail: see `quantum_server.Fault`."""
        self._ask("_fault", match=match, status=status, times=times, when=when)

    def wait_in_queue(self, seconds: float) -> None:
        """Let each job wait."""
        self._ask("_queue", seconds=seconds)

    def cancel(self, job: str) -> None:
        """Cancel a job."""
        self._ask("_cancel", id=job)

    def jobs(self, tag: str | None = None) -> list[dict[str, Any]]:
        """Return what the service knows of its jobs, the oldest first."""
        return [job for job in self._ask("_jobs") if tag is None or tag in job["tags"]]

    def wait_for_jobs(self, n_jobs: int) -> list[dict[str, Any]]:
        """Return the jobs once there are so many."""
        return wait_until(lambda: len(found := self.jobs()) >= n_jobs and found)

    def forget_jobs(self) -> None:
        """Begin anew without jobs and faults."""
        self._ask("_reset", all=True)

    def _ask(self, path: str, **body: Any) -> Any:
        """Return what the server answers."""
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", data=data)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)
