"""Connections that wait, and too many of them."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time

import pytest
from ui_runs import served

from hybrid_parsl.ui import connections
from hybrid_parsl.ui.run_index import RunIndex


@pytest.fixture
def page(runs):
    with served(runs) as page:
        yield page


def opened(page, text=b""):
    client = socket.create_connection(("127.0.0.1", page.port), timeout=5)
    client.sendall(text)
    return client


def is_closed(client):
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.fixture
def connection(page):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", page.port, timeout=5)) as made:
        yield made


def status_of(page, connection):
    cookie = f"hybrid_parsl_ui_{page.port}={page.address.partition('token=')[2]}"
    connection.request("GET", "/", headers={"cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    return answer.status


@pytest.mark.parametrize("text", [b"", b"GET / HTTP/1.1\r\n"])
def test_a_connection_without_a_whole_request_is_closed(page, monkeypatch, text):
    monkeypatch.setattr(connections, "PATIENCE_S", 0.1)
    with opened(page, text) as client:
        assert is_closed(client)


def test_a_next_request_that_never_ends_is_closed(page, connection, monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE_S", 0.1)
    assert status_of(page, connection) == 200
    connection.sock.sendall(b"GET / HTTP/1.1\r\n")
    assert is_closed(connection.sock)


def test_a_request_whose_answer_takes_longer_is_answered(page, connection, monkeypatch):
    listing = RunIndex.listing
    monkeypatch.setattr(connections, "PATIENCE_S", 0.1)
    monkeypatch.setattr(RunIndex, "listing", lambda self: time.sleep(0.3) or listing(self))
    assert status_of(page, connection) == 200


def test_those_that_wait_longest_make_room_for_new_connections(page, connection, monkeypatch):
    monkeypatch.setattr(connections, "MOST", 3)
    waiting = [opened(page, b"GET / HTTP/1.1\r\n") for _ in range(10)]
    assert status_of(page, connection) == 200
    assert all(map(is_closed, waiting[:7]))
    waiting[-1].sendall(b"host: 127.0.0.1\r\n\r\n")
    assert not is_closed(waiting[-1])
    for client in waiting:
        client.close()


def test_a_request_without_the_token_ends_its_connection(page):
    with opened(page, b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 2) as client:
        answer = client.makefile("rb").read()
    assert answer.count(b"HTTP/1.1 403") == 1


def test_what_is_no_request_leaves_no_line_in_the_terminal(page, caplog):
    with opened(page, b"\0\r\n\r\n") as client:
        assert client.recv(100).startswith(b"HTTP/1.1 400")
    assert not caplog.records
