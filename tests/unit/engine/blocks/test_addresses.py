from __future__ import annotations

import ipaddress
import socket

import pytest

from hybrid_parsl.engine.blocks.addresses import LOOPBACK, own_addresses
from hybrid_parsl.engine.blocks.pilot import PilotExecutor, PilotMPIExecutor
from hybrid_parsl.engine.psij_provider import PsiJProvider


def test_they_are_this_computers() -> None:
    found = own_addresses()
    assert LOOPBACK in found
    for address in found:
        ipaddress.IPv4Address(address)
        with socket.socket() as probe:
            probe.bind((address, 0))


@pytest.mark.parametrize("address", [None, "10.1.2.3"])
def test_blocks_connect_to_them_or_to_the_one_that_is_set(address: str | None) -> None:
    expected = {address} if address else own_addresses()
    for executor in (
        PilotExecutor("quantum", "tasks", PsiJProvider("slurm"), address),
        PilotMPIExecutor("mpi", "tasks", PsiJProvider("slurm"), address=address),
    ):
        assert executor.all_addresses == expected
        assert executor.address is None


def test_nobody_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    # Parsl's own search asks a web service
    import requests

    def refuse(*_arguments: object, **_keywords: object) -> None:
        pytest.fail("a request was sent")

    monkeypatch.setattr(requests, "get", refuse)
    PilotExecutor("quantum", "tasks", PsiJProvider("slurm"))


def test_blocks_on_this_computer_connect_to_loopback() -> None:
    executor = PilotExecutor("quantum", "tasks", PsiJProvider("local"), "10.1.2.3")
    assert (executor.address, executor.all_addresses) == (LOOPBACK, {LOOPBACK})
