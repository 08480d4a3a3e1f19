"""A stand-in for Globus Auth and the web service of Globus Compute, on the loopback device.

``python standin.py AMQP_URL``, for tests only, without TLS. Its only user is the client that the
environment names. What it does not have: rate limits, results that expire, groups, sharing.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlparse

from broker import Broker

PORT = 5000  # that of Globus' environment "local"
LIMIT_BYTES = 10 * 1024 * 1024
SCOPE_OF_COMPUTE = "facd7ccc"
ID = "([-0-9a-f]{36})"


class Refusal(Exception):  # noqa: N818 - the answer of a service, not a fault of this one
    """An HTTP answer that is an error."""


class Service(BaseHTTPRequestHandler):
    """The routes that an endpoint and a client use."""

    protocol_version = "HTTP/1.1"
    broker: ClassVar[Broker]
    clients: ClassVar[dict[str, str]]
    tokens: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, *_: Any) -> None:
        """Write nothing: `Broker.note` does."""

    def _answer(self, method: str) -> None:
        """Answer one request; a fault of this file is an error 500."""
        try:
            status, found = 200, self._route(method)
        except Refusal as refusal:
            status, name, reason = refusal.args
            found = {"status": "Failed", "code": 0, "reason": reason, "name": name}
            found |= {"errors": [{"code": name, "detail": reason, "status": status}]}
        except Exception as error:  # noqa: BLE001 - the client has to see it
            self.broker.note("fault", path=self.path, error=repr(error))
            status, found = 500, {"reason": repr(error)}
        data = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _route(self, method: str) -> Any:
        """Return the answer to a request, as JSON values."""
        address = urlparse(self.path)
        path = address.path.rstrip("/")
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == "/v2/oauth2/token":
            return self._token(parse_qs(raw.decode()))
        if path == "/v2/version":
            return {"api": "1.0.0", "min_ep_version": "2.0.0", "min_sdk_version": "2.0.0"}
        if match := re.fullmatch(f"/standin/drop/{ID}", path):
            return self.broker.drop(match[1])
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        user = self.tokens.get(token)
        if user is None:
            raise Refusal(401, "AUTHENTICATION_FAILED", "unknown token")
        if len(raw) > LIMIT_BYTES:
            raise Refusal(413, "TASK_PAYLOAD_TOO_LARGE", f"{len(raw)} bytes, at most {LIMIT_BYTES}")
        body = json.loads(raw) if raw else {}
        if path.startswith(("/v2/oauth2/", "/v2/api/")):
            return self._identity(path, user, parse_qs(address.query))
        return self._compute(method, path, user, body)

    def _token(self, form: dict[str, list[str]]) -> dict[str, Any]:
        """Grant a client its tokens (OAuth 2, client credentials)."""
        encoded = (self.headers.get("Authorization") or "Basic Og==").split()[1]
        client, _, secret = base64.b64decode(encoded).decode().partition(":")
        if not secret or self.clients.get(client) != secret:
            raise Refusal(401, "invalid_client", "bad client id or secret")
        scopes: dict[str, list[str]] = {}
        for scope in " ".join(form.get("scope", [])).split():
            server = "funcx_service" if SCOPE_OF_COMPUTE in scope else "auth.globus.org"
            scopes.setdefault(server, []).append(scope)
        granted = []
        for server, each in scopes.items():
            token = f"token-{secrets.token_urlsafe(24)}"
            self.tokens[token] = client
            values = {"access_token": token, "scope": " ".join(each), "resource_server": server}
            common = {"expires_in": 172800, "token_type": "Bearer", "state": "_default"}
            granted.append({**values, **common})
        return {**granted[0], "other_tokens": granted[1:]}

    def _identity(self, path: str, user: str, query: dict[str, list[str]]) -> dict[str, Any]:
        """Say who somebody is."""

        def person(identity: str) -> dict[str, str]:
            name = f"{identity}@clients.auth.globus.org"
            return {"sub": identity, "id": identity, "username": name, "name": "a test"}

        if path == "/v2/oauth2/userinfo":
            me = person(user)
            return {**me, "preferred_username": me["username"], "identity_set": [me]}
        identities = ",".join(query.get("ids", [])).split(",")
        return {"identities": [person(each) for each in identities]}

    def _compute(self, method: str, path: str, user: str, body: dict[str, Any]) -> Any:
        """Answer as the web service of Globus Compute."""
        broker = self.broker
        if path == "/v2/get_amqp_result_connection_url":
            return {"queue_prefix": "tg.", "connection_url": broker.url}
        if path == "/v3/endpoints" and method == "POST":
            return broker.register_endpoint(body, user)
        if path == "/v3/functions" and method == "POST":
            return broker.register_function(body, user)
        if match := re.fullmatch(f"/v2/tasks/{ID}", path):
            if match[1] not in broker.tasks:
                raise Refusal(404, "TASK_NOT_FOUND", match[1])
            return broker.tasks[match[1]]
        if path == "/v2/batch_status":
            found = {each: broker.tasks[each] for each in body["task_ids"] if each in broker.tasks}
            return {"response": "batch", "results": found}
        if match := re.fullmatch(rf"/v[23]/endpoints/{ID}(/\w+)?", path):
            return self._endpoint(method, match[1], match[2], user, body)
        broker.note("unknown route", method=method, path=path)
        raise Refusal(404, "NOT_FOUND", path)

    def _endpoint(
        self, method: str, endpoint: str, what: str | None, user: str, body: dict[str, Any]
    ) -> Any:
        """Answer a request about one endpoint."""
        broker = self.broker
        if method == "PUT":
            return broker.register_endpoint(body, user, endpoint)
        known = broker.endpoints.get(endpoint)
        if known is None:
            reason = f"Endpoint {endpoint} could not be resolved"
            raise Refusal(404, "ENDPOINT_NOT_FOUND", reason)
        if what == "/status":
            return broker.status(endpoint)
        if what == "/submit":
            for function in body["tasks"]:
                if function not in broker.functions:
                    raise Refusal(404, "FUNCTION_NOT_FOUND", f"Function {function} is not known")
                allowed = known.get("allowed_functions")
                if allowed is not None and function not in allowed:
                    reason = f"Function {function} not permitted on endpoint {endpoint}"
                    raise Refusal(403, "FUNCTION_NOT_PERMITTED", reason)
            return broker.submit(endpoint, body, user)
        if method == "DELETE":
            broker.endpoints.pop(endpoint)
            return {"result": 302}
        return {key: value for key, value in known.items() if key != "heartbeat"}


def main() -> None:
    """Serve until this process is ended."""
    Service.broker = Broker(sys.argv[1])
    user = os.environ["GLOBUS_COMPUTE_CLIENT_ID"]
    Service.clients = {user: os.environ["GLOBUS_COMPUTE_CLIENT_SECRET"]}
    Service.broker.declare()

    def relay() -> None:
        try:
            Service.broker.relay()
        finally:
            os._exit(3)  # nothing arrives any more: tests must see it

    threading.Thread(target=relay, daemon=True).start()
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Service)
    Service.broker.note("listening", pid=os.getpid())
    server.serve_forever()


if __name__ == "__main__":
    main()
