from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.notification import check_target, notify, shown_target

TOLD = {"schedule": "nightly", "exit_code": 4, "run": None, "message": "a\0b ✓ $(id)"}


credentials: list[str | None] = []


@pytest.fixture
def webhook():
    """Start a server that keeps what it is sent and answers as its path says."""
    received = []
    credentials.clear()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            received.append((self.headers["Content-Type"], json.loads(self.rfile.read(length))))
            credentials.append(self.headers["Authorization"])
            self.send_response(int(self.path[1:4]))
            if self.path.startswith("/3"):
                self.send_header("Location", "/204")
            self.end_headers()

        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_sent_json(webhook):
    address, received = webhook
    assert notify(f"{address}/204", TOLD, {}) is None
    assert received == [("application/json", TOLD)]


def test_a_webhook_that_refuses(webhook):
    address, _ = webhook
    assert notify(f"{address}/503/hidden", TOLD, {}) == "the webhook answered 503"


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/hidden", "http://[::1/hidden", "http://a b/hidden"]
)
def test_a_webhook_that_is_not_there_is_not_named(address):
    trouble = notify(address, TOLD, {})
    assert "cannot be reached" in trouble
    assert "hidden" not in trouble


def test_a_command_gets_json_and_variables(tmp_path):
    command = 'cat > told; echo "$HYBRID_PARSL_SCHEDULE,$HYBRID_PARSL_RUN,$MINE" > names'
    assert (
        notify(f"cd '{tmp_path}'; {command}", TOLD, {"MINE": "x", "PATH": "/usr/bin:/bin"}) is None
    )
    assert json.loads((tmp_path / "told").read_text()) == TOLD
    assert (tmp_path / "names").read_text() == "nightly,,x\n"


def test_a_command_that_fails():
    assert notify("cat >/dev/null; exit 3", TOLD, {}) == "the command ended with exit code 3"


def test_a_command_may_leave_a_long_message_unread():
    assert notify("true", {"message": "x" * 200_000}, {}) is None


OTHERS = ["ftp://host/x", "file:///etc/passwd", "http:///x", "http://[::1/x", "http://h:port/x"]


@pytest.mark.parametrize("target", [*OTHERS, "https://h/x to me", "", " "])
def test_an_address_of_another_kind_is_refused(target):
    with pytest.raises(ConfigurationError, match="http:// or https://"):
        check_target(target)


@pytest.mark.parametrize("target", ["mail -s failed me", "https://h/x", "curl -d @- http://h", ":"])
def test_commands_and_webhooks_will_do(target):
    assert check_target(target) == target


def test_the_address_of_a_webhook_is_not_shown():
    assert shown_target("https://user:pa/ss@host/hidden?key=hidden") == "https://…"
    assert shown_target("mail me") == "mail me"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_webhook_that_has_moved_was_not_told(webhook, code):
    address, _ = webhook
    assert notify(f"{address}/{code}", TOLD, {}) == f"the webhook answered {code}"


def test_an_address_in_capitals_is_no_command(webhook):
    address, received = webhook
    assert notify(f"{address.replace('http', 'HTTP')}/204", TOLD, {}) is None
    assert len(received) == 1


def test_the_proxy_is_that_of_the_schedule(webhook):
    proxy, received = webhook
    target = "http://hooks.invalid/204"
    assert notify(target, TOLD, {"http_proxy": "http://127.0.0.1:1"}).startswith(
        "the webhook cannot"
    )
    assert "invalid" not in str(received)
    variables = {"HTTP_PROXY": "http://127.0.0.1:1", "no_proxy": "127.0.0.1, .example.org"}
    assert notify(f"{proxy}/204", TOLD, variables) is None


def test_a_webhook_with_user_and_password(webhook):
    address, received = webhook
    target = address.replace("://", "://me:p%40%C3%9F@")
    assert check_target(target) == target
    assert notify(f"{target}/204", TOLD, {}) is None
    assert notify(f"{address}/204", TOLD, {}) is None
    assert len(received) == 2
    assert credentials == [f"Basic {base64.b64encode('me:p@ß'.encode()).decode()}", None]
