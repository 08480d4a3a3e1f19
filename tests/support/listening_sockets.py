"""The sockets on which the processes of a tree listen."""

from __future__ import annotations

import contextlib
import ipaddress

import psutil


def open_addresses(pid: int) -> set[tuple[str, str]]:
    """Return program and address of each socket of a tree that others could connect to.

    Those are sockets of TCP that listen, and sockets of UDP, on an address other than loopback.
    """
    found = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                for each in process.net_connections("inet"):
                    waits = each.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
                    if waits and not ipaddress.ip_address(each.laddr.ip).is_loopback:
                        command = " ".join(process.cmdline()[:4])
                        found.add((command, f"{each.laddr.ip}:{each.laddr.port}"))
    return found
