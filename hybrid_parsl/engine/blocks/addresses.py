"""The addresses of this computer that workers elsewhere may reach it at."""

from __future__ import annotations

import contextlib
import socket

import psutil

LOOPBACK = "127.0.0.1"


def own_addresses() -> set[str]:
    """Return the IPv4 addresses of this computer's interfaces, and that of its name.

    No other service is contacted: Parsl's own search also sends a request to a public web service.
    """
    found = {
        each.address
        for interface in psutil.net_if_addrs().values()
        for each in interface
        if each.family == socket.AF_INET
    }
    with contextlib.suppress(OSError):
        found.add(socket.gethostbyname(socket.gethostname()))
    return found
