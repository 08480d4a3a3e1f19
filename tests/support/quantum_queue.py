"""Devices, jobs and batches of the loopback quantum service; each job and batch is a JSON file."""

from __future__ import annotations

import importlib.util
import itertools
import json
import secrets
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FINAL = ("Completed", "Failed", "Cancelled")
PREFIX = "loop_"
"""Begins the name of each device: ``loop_fez`` has the gates and the noise of ``FakeFez``."""
_WORKER = Path(__file__).with_name("quantum_worker.py")
_LONGEST_S = 10_800
_TOO_LONG = {"reason": "RAN TOO LONG", "reasonCode": 1305}
_FAILED = 9999


def now() -> str:
    """Return the time as the service writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Refusal(Exception):  # noqa: N818 - an answer
    """An error reply in the form of the service."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        error = {"code": code, "message": message}
        self.body = {"errors": [error], "error": error}


class QuantumQueue:
    """One QPU that runs jobs one after another, and what clients ask about them.

    A job outlives the server; one that was running is run again.

    Parameters
    ----------
    folder
        Holds a file for each job, result and batch.
    devices
        Folders of the client's snapshots, such as ``fez``.
    queue_s
        Seconds that each job waits at least.
    """

    def __init__(self, folder: Path, devices: list[str], queue_s: float) -> None:
        self.folder = folder
        self.queue_s = queue_s
        self.lock = threading.RLock()
        self._wake = threading.Condition()
        self._worker: subprocess.Popen[str] | None = None
        self._devices: dict[str, dict[str, Any]] = {f"{PREFIX}{each}": {} for each in devices}
        folder.mkdir(parents=True, exist_ok=True)
        self.jobs = {each["id"]: each for each in self._saved("job-*.json")}
        self.sessions = {each["id"]: each for each in self._saved("session-*.json")}
        self._numbers = itertools.count(len(self.jobs))
        for job in self.jobs.values():
            if job["status"] == "Running":
                job |= {"state": {"status": "Queued"}, "status": "Queued"}
        threading.Thread(target=self._work, name="qpu", daemon=True).start()

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait()

    def reset(self) -> None:
        """Forget all jobs; jobs do not wait any more."""
        with self.lock:
            for job in self.jobs.values():
                self.set_state(job, "Cancelled")
            self.jobs.clear()
            self.queue_s = 0.0
            for path in self.folder.iterdir():
                path.unlink()

    # Devices

    def device(self, name: str) -> dict[str, Any]:
        """Return configuration and properties of a device."""
        if name not in self._devices:
            raise Refusal(404, 1216, f"Backend not found: {name}")
        entry = self._devices[name]
        if not entry:
            fake = name.removeprefix(PREFIX)
            package = importlib.util.find_spec("qiskit_ibm_runtime")  # not imported: it is quick
            root = Path(package.submodule_search_locations[0], "fake_provider", "backends", fake)
            own = {"backend_name": name}
            text = {each: (root / f"{each}_{fake}.json").read_text() for each in ("conf", "props")}
            device = {"simulator": False, "local": False}
            entry["configuration"] = json.loads(text["conf"]) | own | device
            entry["properties"] = json.loads(text["props"]) | own
        return entry

    def listed_devices(self) -> list[dict[str, Any]]:
        """Return what the list of devices says of each."""
        return [
            {
                "name": name,
                "class": "real",
                "qubits": self.device(name)["configuration"]["n_qubits"],
                "status": {"name": "online", "reason": "available"},
                "is_simulator": False,
                "queue_length": len(self._queued(name)),
            }
            for name in self._devices
        ]

    # Jobs

    def job(self, name: str) -> dict[str, Any]:
        """Return a job."""
        if name not in self.jobs:
            raise Refusal(404, 1291, f"Job not found. Job ID: {name}")
        return self.jobs[name]

    def submit(self, body: dict[str, Any]) -> dict[str, Any]:
        """Accept a job."""
        self.device(body.get("backend", ""))
        if body["program_id"] != "executor":
            raise Refusal(404, 1207, f"Program not found: {body['program_id']}")
        with self.lock:
            session = body.get("session_id")
            if session and not self.session(session)["accepting_jobs"]:
                raise Refusal(400, 1217, "The session is closed")
            created = now()
            job = {
                "id": f"job-{next(self._numbers):06d}{secrets.token_hex(4)}",
                "backend": body["backend"],
                "program": {"id": body["program_id"]},
                "params": body["params"],
                "created": created,
                "tags": body.get("tags") or [],
                "session_id": session,
                "cost": body.get("cost") or _LONGEST_S,
                "private": body.get("private", False),
                "state": {"status": "Queued"},
                "status": "Queued",
                "runtime": "loopback",
                "timestamps": {"created": created},
                "usage": None,
            }
            self.jobs[job["id"]] = job
            self._save(job)
        with self._wake:
            self._wake.notify()
        return {key: job[key] for key in ("id", "backend", "private")}

    def found(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """Return the page of jobs that a query asks for."""

        def fits(job: dict[str, Any]) -> bool:
            return (
                set(query.get("tags", [])) <= set(job["tags"])
                and query.get("backend", [job["backend"]]) == [job["backend"]]
                and query.get("program", [job["program"]["id"]]) == [job["program"]["id"]]
                and query.get("session_id", [job["session_id"]]) == [job["session_id"]]
                and query.get("pending", [str(job["status"] not in FINAL).lower()])
                == [str(job["status"] not in FINAL).lower()]
            )

        newest_first = "ASC" not in query.get("sort", [])
        ordered = sorted(self.jobs.values(), key=lambda job: job["id"], reverse=newest_first)
        jobs = [shown(job) for job in ordered if fits(job)]
        skip, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["20"])[0])
        page = jobs[skip : skip + limit]
        return {"jobs": page, "count": len(jobs), "limit": limit, "offset": skip}

    def result(self, name: str) -> str | None:
        """Return the result of a job, None before it has one."""
        path = self.folder / f"{self.job(name)['id']}.result"
        return path.read_text() if path.exists() else None

    def metrics(self, name: str) -> dict[str, Any]:
        """Return when a job did what, where it is in the queue, and what it has used."""
        job = self.job(name)
        queue = [each["id"] for each in self._queued(job["backend"])]
        position = {"position_in_queue": queue.index(name) + 1} if name in queue else {}
        usage = job["usage"] or {"status": "pending"}
        return {"timestamps": job["timestamps"], "usage": usage, **position}

    def cancel(self, name: str) -> None:
        """Cancel a job."""
        if not self.set_state(self.job(name), "Cancelled"):
            raise Refusal(409, 1205, "Job has already finished")

    def set_tags(self, name: str, tags: list[str]) -> None:
        """Replace the tags of a job."""
        self.job(name)["tags"] = tags
        self._save(self.job(name))

    def set_state(self, job: dict[str, Any], status: str, **reason: Any) -> bool:
        """Change the state of a job; return whether that was possible."""
        with self.lock:
            if job["status"] in FINAL:
                return False
            job["state"], job["status"] = {"status": status, **reason}, status
            job["timestamps"]["finished" if status in FINAL else "running"] = now()
            self._save(job)
            return True

    def used_s(self) -> float:
        """Return the QPU seconds of all jobs."""
        return sum((job["usage"] or {}).get("seconds", 0.0) for job in self.jobs.values())

    # Batches

    def session(self, name: str) -> dict[str, Any]:
        """Return a batch."""
        if name not in self.sessions:
            raise Refusal(404, 1218, f"Session not found: {name}")
        return self.sessions[name]

    def open_session(self, body: dict[str, Any]) -> dict[str, Any]:
        """Open a batch."""
        with self.lock:
            session = {
                "id": f"session-{secrets.token_hex(6)}",
                "backend_name": body.get("backend"),
                "mode": body.get("mode"),
                "max_ttl": body.get("max_ttl", 28_800),
                "state": "open",
                "accepting_jobs": True,
                "created_at": now(),
            }
            self.sessions[session["id"]] = session
            self._save(session)
            return session

    def close_session(self, name: str, *, cancel: bool) -> None:
        """Close a batch to further jobs."""
        with self.lock:
            session = self.session(name)
            session["accepting_jobs"] = False
            for job in self.jobs.values() if cancel else ():
                if job["session_id"] == name:
                    self.set_state(job, "Cancelled")
            session["state"] = "closed"
            self._save(session)

    def _queued(self, device: str | None = None) -> list[dict[str, Any]]:
        """Return the jobs that wait, the oldest first."""
        with self.lock:
            waiting = [job for job in self.jobs.values() if job["status"] == "Queued"]
        return sorted(
            (job for job in waiting if device in (None, job["backend"])), key=lambda job: job["id"]
        )

    def _work(self) -> None:
        """Run jobs, for good."""
        while True:
            queued = self._queued()
            if not queued:
                with self._wake:
                    self._wake.wait(0.2)
                continue
            job, begun = queued[0], time.monotonic()
            while time.monotonic() - begun < self.queue_s and job["status"] == "Queued":
                time.sleep(0.02)
            if self.set_state(job, "Running"):
                self._run(job)

    def _run(self, job: dict[str, Any]) -> None:
        """Run one job to its end."""
        answer = self._answer(job)
        seconds = answer["seconds"]
        status, reason = "Completed", {}
        if answer["error"]:
            status, reason = "Failed", {"reason": answer["error"], "reasonCode": _FAILED}
        elif seconds > job["cost"]:
            status, reason, seconds = "Cancelled", _TOO_LONG, job["cost"]
        else:
            (self.folder / f"{job['id']}.result").write_text(answer["text"])
        usage = {"qpu_charge_time_seconds": round(seconds, 3), "seconds": seconds}
        job["usage"] = {**usage, "quantum_seconds": seconds, "status": "complete"}
        self.set_state(job, status, **reason)

    def _answer(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return what the worker makes of a job; a worker that has died is replaced once."""
        device = job["backend"].removeprefix(PREFIX)
        asked = json.dumps({"device": device, "job": job["id"], "params": job["params"]})
        for _ in range(2):
            if self._worker is None or self._worker.poll() is not None:
                self._worker = subprocess.Popen(
                    [sys.executable, str(_WORKER)],
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            try:
                self._worker.stdin.write(f"{asked}\n")
                self._worker.stdin.flush()
                return json.loads(self._worker.stdout.readline())
            except (OSError, ValueError):
                self._worker.wait()
        return {"text": "", "seconds": 0.0, "error": "the simulator died"}

    def _save(self, entry: dict[str, Any]) -> None:
        """Write a job or a batch to its file."""
        path = self.folder / f"{entry['id']}.json"
        partial = path.with_suffix(".tmp")
        partial.write_text(json.dumps(entry))
        partial.replace(path)

    def _saved(self, pattern: str) -> list[dict[str, Any]]:
        """Return what an earlier server has written."""
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob(pattern))]


def shown(job: dict[str, Any]) -> dict[str, Any]:
    """Return what the service shows of a job."""
    return {key: each for key, each in job.items() if key != "params" and each is not None}
