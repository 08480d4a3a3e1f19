"""The server: where it listens, and for whom."""

from __future__ import annotations

import socket
import stat
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

import pytest
from ui_runs import base_of, make_run, served

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.ui.server import PageServer, browser_at


def test_the_page_is_served_to_whoever_has_its_address(runs):
    make_run(runs, "1")
    with served(runs) as page:
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(page.address) as answer:
            assert "Continue" in answer.read().decode()
        with opener.open(base_of(page.address)) as answer:
            assert "1 run" in answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.urlopen(base_of(page.address))
        refused.value.close()
        assert page.listening.getsockname()[0] == "127.0.0.1"


def test_each_server_has_a_token_of_its_own(runs):
    with served(runs) as first, served(runs) as second:
        assert first.address.partition("=")[2] != second.address.partition("=")[2]
        assert len(first.address.partition("=")[2]) >= 43


@pytest.mark.parametrize(
    ("host", "key"), [("host.invalid", "--host"), ("192.0.2.1", "--host"), ("::1%no", "--host")]
)
def test_a_host_that_is_not_this_computer(runs, host, key):
    with pytest.raises(ConfigurationError) as refused:
        PageServer(runs, host, 0)
    assert (refused.value.source, refused.value.found) == (key, host)
    assert "127.0.0.1" in refused.value.valid


def test_a_port_that_is_in_use(runs):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError) as refused:
            PageServer(runs, "127.0.0.1", port)
    assert (refused.value.source, refused.value.found) == ("--port", str(port))


def test_a_browser_gets_the_address_by_a_private_file(monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    with browser_at("http://127.0.0.1:1/?token=secret") as has_browser:
        assert has_browser
        file = Path(opened[0].removeprefix("file://"))
        assert "secret" not in opened[0]
        assert "secret" in file.read_text()
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not file.exists()
