"""The REST API of IBM's Quantum service on loopback, as far as qiskit-ibm-runtime 0.51 uses it.

The unmodified client works with it: tokens, instances, backends, jobs, tags, batches, metrics,
usage. Tests start it through `quantum_service`; by hand: ``python quantum_server.py FOLDER``.

POST to ``/_fault`` makes requests fail: ``{"match": "POST /api/v1/jobs$", "status": 504,
"times": 2, "when": "after"}`` loses the reply of two jobs that were accepted; the status 0 drops
the connection. POST to ``/_queue`` changes how long jobs wait: ``{"seconds": 5}``. GET of
``/_jobs`` lists them.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import threading
import time
import traceback
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from quantum_queue import QuantumQueue, Refusal

API_KEY = "loopback-api-key-0f1e2d3c"
PLAN = "b1f0"
CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/0:11111111-2222-3333-4444-555555555555::"
INSTANCE = "loopback"
_HOUR_S = 3600
_LIMIT_S = 600


def token(subject: str) -> str:
    """Return a token with the claims that the client reads."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    issued = int(time.time())
    claims = part({"sub": subject, "iat": issued, "exp": issued + _HOUR_S})
    text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{claims}"
    signature = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return f"{text}.{signature.rstrip(b'=').decode()}"


@dataclass
class Fault:
    """What happens to the next requests of a kind.

    Attributes
    ----------
    match
        Expression that is searched in the method and path of a request.
    status
        What is answered; 0 drops the connection.
    times
        How many requests fail.
    when
        ``before`` or ``after`` the request is carried out.
    """

    match: str
    status: int
    times: int = 1
    when: str = "before"


class QuantumServer(ThreadingHTTPServer):
    """The service.

    Parameters
    ----------
    port
        On loopback.
    queue
        Its jobs.
    """

    daemon_threads = True

    def __init__(self, port: int, queue: QuantumQueue) -> None:
        self.queue = queue
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def add_fault(self, fault: Fault) -> None:
        """Let requests fail."""
        with self._lock:
            self._faults.append(fault)

    def forget_faults(self) -> None:
        """Let no more requests fail."""
        with self._lock:
            self._faults.clear()

    def fault_of(self, request: str) -> Fault | None:
        """Return what happens to a request, None if it does not fail."""
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and re.search(fault.match, request):
                    fault.times -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server: QuantumServer

    def log_message(self, *_: object) -> None:
        """Write no log."""

    def handle_any(self) -> None:
        """Answer a request, or let it fail."""
        url = urlsplit(self.path)  # the whole URL from a client that takes this for its proxy
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            fault = self.server.fault_of(f"{self.command} {url.path}")
            if fault is None or fault.when == "after":
                answer = self.route(url.path, parse_qs(url.query), raw)
            if fault is not None and not fault.status:
                self.close_connection = True
                return
            if fault is not None:
                answer = fault.status, Refusal(fault.status, fault.status, "injected fault").body
            self.reply(*answer)
        except Refusal as refusal:
            self.reply(refusal.status, refusal.body)
        except Exception:  # noqa: BLE001 - a defect of the server, shown to the client
            traceback.print_exc()
            self.reply(500, {"error": {"code": 500, "message": traceback.format_exc()[-300:]}})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def reply(self, status: int, body: Any = None) -> None:
        """Send an answer."""
        text = body if isinstance(body, str) else json.dumps(body)
        data = b"" if body is None else text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if body is text else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client was killed

    def route(self, path: str, query: dict[str, list[str]], raw: bytes) -> tuple[int, Any]:
        """Return the answer to a request."""
        if path.startswith("/_"):
            return 200, self.control(path, raw)
        if (account := self.account(path, raw)) is not None:
            return 200, account
        self.check_access()
        parts = path.removeprefix("/api/v1/").strip("/").split("/")
        body = json.loads(raw) if raw else {}
        routes = {"backends": self.backends, "instances": self.instances, "jobs": self.jobs}
        routes["sessions"] = self.sessions
        if parts[0] in routes:
            return routes[parts[0]](parts[1:], query, body)
        raise Refusal(404, 404, f"no such route: {self.command} {path}")

    def control(self, path: str, raw: bytes) -> Any:
        """Do what a test asks for."""
        queue = self.server.queue
        if path == "/_fault":
            self.server.add_fault(Fault(**json.loads(raw)))
        elif path == "/_queue":
            queue.queue_s = json.loads(raw)["seconds"]
        elif path == "/_cancel":
            queue.cancel(json.loads(raw)["id"])
        elif path == "/_reset":
            self.server.forget_faults()
            queue.reset()
        return [{k: v for k, v in job.items() if k != "params"} for job in queue.jobs.values()]

    def account(self, path: str, raw: bytes) -> Any:
        """Return what the account's own services answer; None if another one is asked."""
        if path == "/identity/token":
            if parse_qs(raw.decode()).get("apikey") != [API_KEY]:
                raise Refusal(400, 400, "BXNIM0415E: Provided API key could not be found.")
            return {
                "access_token": token("user"),
                "refresh_token": "none",
                "token_type": "Bearer",
                "expires_in": _HOUR_S,
                "expiration": int(time.time()) + _HOUR_S,
                "scope": "ibm",
            }
        if path.endswith("/v3/resources/search"):
            plan = {"service_plan_unique_id": PLAN, "doc": {"extensions": {"allocation": 1}}}
            return {"items": [{"crn": CRN, "name": INSTANCE, "tags": [], **plan}], "limit": 100}
        if path.endswith(f"/api/v1/{PLAN}"):
            names = {"overview_ui": {"en": {"display_name": "Loopback"}}}
            return {"id": PLAN, "kind": "plan", "metadata": {"pricing": {"type": "paygo"}}, **names}
        return None

    def check_access(self) -> None:
        """Refuse a request without a token, or for another instance."""
        bearer = self.headers.get("Authorization", "")
        is_token = bearer.startswith("Bearer ") and bearer.count(".") == 2
        if not is_token and bearer != f"apikey {API_KEY}":
            raise Refusal(401, 401, "Unauthorized")
        if self.headers.get("Service-CRN", CRN) != CRN:
            raise Refusal(403, 403, "No access to this instance")

    def backends(self, parts: list[str], query: Any, body: Any) -> tuple[int, Any]:
        """Answer about devices."""
        del query, body
        queue = self.server.queue
        match parts:
            case []:
                return 200, {"devices": queue.listed_devices()}
            case [name, "configuration" | "properties" as what]:
                return 200, queue.device(name)[what]
            case [name, "status"]:
                queue.device(name)
                status = {"state": True, "status": "active", "message": "available"}
                return 200, {**status, "length_queue": 0, "backend_version": "1.0.0"}
        raise Refusal(404, 404, "no such route")

    def instances(self, parts: list[str], query: Any, body: Any) -> tuple[int, Any]:
        """Answer what the instance has used."""
        del parts, query, body
        used_s = self.server.queue.used_s()
        return 200, {
            "instance_id": CRN,
            "plan_id": PLAN,
            "usage_consumed_seconds": round(used_s, 3),
            "usage_limit_seconds": _LIMIT_S,
            "usage_limit_reached": used_s > _LIMIT_S,
        }

    def jobs(self, parts: list[str], query: Any, body: Any) -> tuple[int, Any]:
        """Answer about jobs."""
        queue = self.server.queue
        match (self.command, *parts):
            case ("POST",):
                answer = 200, queue.submit(body)
            case ("GET",):
                answer = 200, queue.found(query)
            case ("GET", name):
                job = {key: each for key, each in queue.job(name).items() if each is not None}
                if "exclude_params" in query:
                    job.pop("params")
                answer = 200, job
            case ("GET", name, "results"):
                text = queue.result(name)
                answer = (204, None) if text is None else (200, text)
            case ("GET", name, "metrics"):
                answer = 200, queue.metrics(name)
            case ("POST", name, "cancel"):
                answer = 204, queue.cancel(name)
            case ("PUT", name, "tags"):
                answer = 204, queue.set_tags(name, body["tags"])
            case _:
                raise Refusal(404, 404, "no such route")
        return answer

    def sessions(self, parts: list[str], query: Any, body: Any) -> tuple[int, Any]:
        """Answer about batches."""
        del query
        queue = self.server.queue
        match (self.command, *parts):
            case ("POST",):
                return 200, queue.open_session(body)
            case ("GET", name):
                return 200, queue.session(name)
            case ("PATCH", name):
                return 204, queue.close_session(name, cancel=False)
            case ("DELETE", name, "close"):
                return 204, queue.close_session(name, cancel=True)
        raise Refusal(404, 404, "no such route")


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--devices", default="manila,fez,fractional")
    parser.add_argument("--queue", type=float, default=0.0, help="seconds that each job waits")
    given = parser.parse_args()
    queue = QuantumQueue(given.folder, given.devices.split(","), given.queue)
    server = QuantumServer(given.port, queue)
    print(server.server_port, flush=True)  # noqa: T201
    try:
        server.serve_forever()
    finally:
        queue.close()


if __name__ == "__main__":
    main()
