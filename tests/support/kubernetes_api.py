"""A small Kubernetes API server for tests: real HTTP, lists, watches, and failures on demand.

It speaks what the executor needs of the protocol: create (with dry run), read, list in pages,
watch with resource versions, bookmarks and 410 Gone, delete in both ways, the log of a pod, and
access reviews. What pods do is up to a `kubelet`, see `pod_runner`.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from object_schemas import faults_of

KINDS = {"jobs": "Job", "mpijobs": "MPIJob", "pods": "Pod", "secrets": "Secret", "events": "Event"}
_PATH = re.compile(
    r"/(?:api/v1|apis/[^/]+/[^/]+)/namespaces/(?P<namespace>[^/]+)/(?P<plural>[a-z]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<part>[a-z]+))?"
)


@dataclass
class Fault:
    """What goes wrong with the next calls that fit.

    ``action`` is a status to answer with, or ``"reset"`` (cut the connection), ``"lost"`` (do
    what is asked, then cut the connection), ``"silent"`` (never answer, or send no more events),
    ``"end"`` (end a watch), ``"garbage"`` (half an event), ``"error"`` (an ERROR event), ``"cut"``
    (half of the answer), ``"page"`` (a web page, of what stands before the server), or a number of
    seconds in a tuple (answer late).
    """

    method: str
    path: str
    action: object
    times: int = 1
    after: int = 0
    headers: dict = field(default_factory=dict)
    message: str = "told to fail"
    reason: str = ""
    watch: bool | None = None


class RefusedError(Exception):
    def __init__(self, status, message, reason="", headers=None):
        super().__init__(message)
        self.status, self.message, self.reason = status, message, reason
        self.headers = headers or {}


class Store:
    """All objects, and what happened to them."""

    def __init__(self):
        self.changed = threading.Condition(threading.RLock())
        self.version = 0
        self.objects = {plural: {} for plural in KINDS}
        self.history = {plural: [] for plural in KINDS}
        self.oldest = 0
        self.listeners = []
        self._uids = itertools.count(1)

    def put(self, plural, thing, event=None):
        """Store an object and tell the watches."""
        with self.changed:
            metadata = thing["metadata"]
            key = (metadata["namespace"], metadata["name"])
            is_new = key not in self.objects[plural]
            self.version += 1
            metadata["resourceVersion"] = str(self.version)
            metadata.setdefault("uid", f"uid-{next(self._uids)}")
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            metadata.setdefault("creationTimestamp", stamp)
            event = event or ("ADDED" if is_new else "MODIFIED")
            if event == "DELETED":
                self.objects[plural].pop(key, None)
            else:
                self.objects[plural][key] = thing
            line = json.dumps({"type": event, "object": thing}).encode()
            labels = dict(metadata.get("labels", {}))
            self.history[plural].append((self.version, metadata["namespace"], labels, line))
            self.changed.notify_all()
        for listener in self.listeners:
            listener(plural, event, thing)
        return thing

    def get(self, plural, namespace, name):
        with self.changed:
            return copy.deepcopy(self.objects[plural].get((namespace, name)))

    def update(self, plural, namespace, name, change):
        """Change an object by a function, if it is there."""
        with self.changed:
            thing = self.get(plural, namespace, name)
            if thing is not None:
                change(thing)
                self.put(plural, thing)
            return thing

    def remove(self, plural, namespace, name):
        with self.changed:
            thing = self.get(plural, namespace, name)
            if thing is not None:
                self.put(plural, thing, "DELETED")

    def all(self, plural, namespace=None, labels=None):
        with self.changed:
            return [
                copy.deepcopy(thing)
                for (where, _), thing in sorted(self.objects[plural].items())
                if namespace in (None, where) and _fits(thing["metadata"].get("labels", {}), labels)
            ]

    def compact(self):
        """Forget all that happened: a new watch from an older version is Gone."""
        with self.changed:
            self.oldest = self.version


def _fits(labels, wanted):
    return all(labels.get(key) == value for key, value in (wanted or {}).items())


def _field(thing, name):
    """Return the value of a field such as ``involvedObject.name``."""
    for part in name.split("."):
        thing = (thing or {}).get(part)
    return thing


def _selector(text):
    return dict(part.split("=", 1) for part in text.split(",") if part) if text else {}


class KubernetesApi:
    """The server, on a free port of the loopback."""

    def __init__(self, *, has_mpi=True, bookmark_s=0.2, token=None):
        self.store = Store()
        self.faults = []
        self.calls = []
        self.has_mpi = has_mpi
        self.bookmark_s = bookmark_s
        self.token = token
        self.logs = {}
        self.damage = bytes
        self.nodes = []
        self.quotas = []
        self.denied = set()
        self.namespaces = {"default"}
        self.closing = threading.Event()
        self.keeps_calls = True
        self._lock = threading.Lock()
        self._connections = set()
        self._start(0)

    def _start(self, port):
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = _Server(("127.0.0.1", port), handler)
        self.port = self._server.server_address[1]
        run = lambda: self._server.serve_forever(poll_interval=0.02)  # noqa: E731
        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def kubeconfig(self, path, *, namespace="default", user=None):
        """Write a kubeconfig for this server to `path`."""
        context = {"cluster": "c", "user": "u", "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": user or {}}],
            "contexts": [{"name": "test", "context": context}],
        }
        path.write_text(json.dumps(config))
        return path

    def fail(self, method, path, action, **more):
        """Let the next calls fail."""
        self.faults.append(Fault(method, path, action, **more))

    def count(self, method, path, *, watch=None):
        with self._lock:
            return sum(
                verb == method
                and re.search(path, where) is not None
                and watch in (None, "watch" in query)
                for verb, where, query in self.calls
            )

    def stop(self):
        """Stop answering, as a server that is being restarted."""
        self.closing.set()
        with self.store.changed:
            self.store.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def restart(self):
        """Answer again, on the same port and with the same objects."""
        self.closing = threading.Event()
        self._start(self.port)

    def take_fault(self, method, path, *, watch=False):
        with self._lock:
            for fault in self.faults:
                if (
                    fault.times > 0
                    and fault.method == method
                    and re.search(fault.path, path)
                    and fault.watch in (None, watch)
                ):
                    fault.times -= 1
                    return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Say nothing: clients and tests cut connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    api = None

    def setup(self):
        super().setup()
        self.api._connections.add(self.connection)

    def finish(self):
        self.api._connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._answer("GET")

    def do_POST(self):
        self._answer("POST")

    def do_DELETE(self):
        self._answer("DELETE")

    def _answer(self, method):
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        if self.api.keeps_calls:
            with self.api._lock:
                self.api.calls.append((method, parts.path, query))
        watching = "watch" in query
        fault = self.api.take_fault(method, parts.path, watch=watching)
        try:
            if fault is not None and self._fail_early(fault, watching=watching):
                return
            self._check_login()
            if watching:
                self._watch(parts.path, query, fault)
            else:
                answer = self._do(method, parts.path, query, body)
                if fault is not None and fault.action == "lost":
                    self._cut()
                elif isinstance(answer, bytes):
                    cut = fault is not None and fault.action == "cut"
                    self._send(200, answer, "text/plain", cut=cut)
                else:
                    self._send(201 if method == "POST" else 200, json.dumps(answer).encode())
        except RefusedError as refusal:
            self._refuse(refusal)

    def _check_login(self):
        """Refuse a wrong token; one who shows none is known as nobody, as is the default."""
        token, shown = self.api.token, self.headers.get("Authorization")
        if token and shown is None:
            raise RefusedError(403, 'forbidden: User "system:anonymous" cannot', "Forbidden")
        if token and shown != f"Bearer {token}":
            raise RefusedError(401, "Unauthorized", "Unauthorized")

    def _fail_early(self, fault, *, watching):
        """Do what a fault asks before the call is carried out; return whether that was all."""
        action = fault.action
        if isinstance(action, int):
            known = {409: "AlreadyExists", 410: "Expired", 429: "TooManyRequests"}
            reason = fault.reason or known.get(action, "")
            raise RefusedError(action, fault.message, reason, fault.headers)
        if isinstance(action, tuple):
            time.sleep(action[0])
            return False
        if action == "reset":
            if watching and fault.after:
                return False
            self._cut()
            return True
        if action == "page":
            self._send(200, b"<html>starting</html>", "text/html")
            return True
        if action == "silent" and not watching:
            self.api.closing.wait(60)
            self._cut()
            return True
        return False

    def _cut(self):
        """Cut the connection with a reset."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

    def _send(self, status, data, kind="application/json", headers=None, *, cut=False):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.wfile.flush()
        if cut:
            self._cut()

    def _refuse(self, refusal):
        body = {
            "kind": "Status",
            "status": "Failure",
            "code": refusal.status,
            "message": refusal.message,
            "reason": refusal.reason,
        }
        self._send(refusal.status, json.dumps(body).encode(), headers=refusal.headers)

    def _place(self, path):
        found = _PATH.fullmatch(path)
        plural = found and found["plural"]
        if plural not in KINDS or (plural == "mpijobs" and not self.api.has_mpi):
            raise RefusedError(404, "the server could not find the requested resource", "NotFound")
        verb = {"GET": "get", "POST": "create", "DELETE": "delete"}[self.command]
        if (verb, plural) in self.api.denied:
            message = f'{plural} is forbidden: User "u" cannot {verb} resource "{plural}"'
            raise RefusedError(403, message, "Forbidden")
        return found["namespace"], plural, found["name"], found["part"]

    def _do(self, method, path, query, body):  # noqa: C901, PLR0911, PLR0912
        if path == "/api/v1/nodes":
            if ("get", "nodes") in self.api.denied:
                raise RefusedError(403, "nodes is forbidden", "Forbidden")
            return {"items": self.api.nodes, "metadata": {}}
        if path.rpartition("/")[0] == "/api/v1/namespaces":
            name = path.rpartition("/")[2]
            if name not in self.api.namespaces:
                raise RefusedError(404, f'namespaces "{name}" not found', "NotFound")
            return {"metadata": {"name": name}}
        if path == "/version":
            return {"gitVersion": "v1.36.0"}
        if path == "/apis/kubeflow.org/v2beta1" and self.api.has_mpi:
            return {"resources": [{"name": "mpijobs"}]}
        if path.endswith("/resourcequotas"):
            return {"items": self.api.quotas, "metadata": {}}
        if path.endswith("/selfsubjectaccessreviews"):
            wanted = body["spec"]["resourceAttributes"]
            allowed = (wanted["verb"], wanted["resource"]) not in self.api.denied
            return {**body, "status": {"allowed": allowed}}
        namespace, plural, name, part = self._place(path)
        if method == "POST":
            return self._create(namespace, plural, query, body)
        if method == "DELETE":
            return self._delete(namespace, plural, name, body or {})
        if part == "log":
            return self._log(namespace, name)
        if name:
            thing = self.api.store.get(plural, namespace, name)
            if thing is None:
                raise RefusedError(404, f'{plural} "{name}" not found', "NotFound")
            return thing
        return self._list(namespace, plural, query)

    def _create(self, namespace, plural, query, body):
        name = body["metadata"]["name"]
        if faults := faults_of(plural, body):
            message = f"{KINDS[plural]} {name} is invalid: {'; '.join(faults)}"
            raise RefusedError(422, message, "Invalid")
        with self.api.store.changed:
            if self.api.store.get(plural, namespace, name) is not None:
                raise RefusedError(409, f'{plural} "{name}" already exists', "AlreadyExists")
            body["metadata"]["namespace"] = namespace
            if query.get("dryRun") == "All":
                return body
            return copy.deepcopy(self.api.store.put(plural, body))

    def _delete(self, namespace, plural, name, options):
        store = self.api.store
        thing = store.get(plural, namespace, name)
        if thing is None:
            raise RefusedError(404, f'{plural} "{name}" not found', "NotFound")
        uid, asked = thing["metadata"]["uid"], options.get("preconditions", {}).get("uid")
        if asked not in (None, uid):
            words = f"Precondition failed: UID in precondition: {asked}, UID in object meta: {uid}"
            message = f'Operation cannot be fulfilled on {plural} "{name}": {words}'
            raise RefusedError(409, message, "Conflict")
        if options.get("propagationPolicy") == "Foreground":

            def mark(found):
                found["metadata"]["deletionTimestamp"] = "now"
                found["metadata"]["finalizers"] = ["foregroundDeletion"]

            return store.update(plural, namespace, name, mark)
        store.remove(plural, namespace, name)
        return {"kind": "Status", "status": "Success"}

    def _log(self, namespace, name):
        if self.api.store.get("pods", namespace, name) is None:
            raise RefusedError(404, f'pods "{name}" not found', "NotFound")
        log = self.api.logs.get(name, b"")
        return self.api.damage(log() if callable(log) else log)

    def _list(self, namespace, plural, query):
        store = self.api.store
        with store.changed:
            found = store.all(plural, namespace, _selector(query.get("labelSelector")))
            version = store.version
        for name, value in _selector(query.get("fieldSelector")).items():
            found = [each for each in found if _field(each, name) == value]
        start = int(query.get("continue") or 0)
        limit = int(query.get("limit") or len(found) or 1)
        metadata = {"resourceVersion": str(version)}
        if start + limit < len(found):
            metadata["continue"] = str(start + limit)
        return {"metadata": metadata, "items": found[start : start + limit]}

    def _watch(self, path, query, fault):
        namespace, plural, _, _ = self._place(path)
        version = int(query.get("resourceVersion") or 0)
        if version < self.api.store.oldest:
            raise RefusedError(410, "too old resource version", "Expired")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        with contextlib.suppress(OSError):
            self._stream(namespace, plural, query, version, fault)

    def _stream(self, namespace, plural, query, version, fault):
        store, closing = self.api.store, self.api.closing
        labels = _selector(query.get("labelSelector"))
        n_sent, seen = 0, 0
        last_bookmark = time.monotonic()
        while not closing.is_set():
            with store.changed:
                events = store.history[plural]
                fresh = [
                    (number, line)
                    for number, where, marks, line in events[seen:]
                    if number > version and where == namespace and _fits(marks, labels)
                ]
                seen = len(events)
                newest = store.version
                if not fresh and (fault is None or n_sent < fault.after):
                    store.changed.wait(self.api.bookmark_s)
            for number, line in fresh:
                if fault is not None and n_sent >= fault.after and self._break(fault, line):
                    return
                self._chunk(line)
                version, n_sent = number, n_sent + 1
            if (
                not fresh
                and fault is not None
                and n_sent >= fault.after
                and self._break(fault, b"")
            ):
                return
            if not fresh and time.monotonic() - last_bookmark > self.api.bookmark_s:
                last_bookmark = time.monotonic()
                mark = {"kind": KINDS[plural], "metadata": {"resourceVersion": str(newest)}}
                self._chunk(json.dumps({"type": "BOOKMARK", "object": mark}).encode())
            self.wfile.flush()
        self.close_connection = True

    def _chunk(self, line):
        data = line + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _break(self, fault, line):
        """Do what a fault asks in the middle of a watch; return whether the watch is over."""
        action = fault.action
        self.wfile.flush()
        if action == "reset":
            self._cut()
        elif action == "silent":
            self.api.closing.wait(60)
            self._cut()
        elif action == "garbage":
            self._chunk(line[: len(line) // 2] or b'{"type": "ADD')
            self._end_chunks()
        elif action == "end":
            self._end_chunks()
        elif action == "error":
            status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
            self._chunk(json.dumps({"type": "ERROR", "object": status}).encode())
            self._end_chunks()
        else:
            return False
        return True

    def _end_chunks(self):
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
