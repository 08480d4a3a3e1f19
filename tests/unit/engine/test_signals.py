from __future__ import annotations

import signal
import threading

import pytest

from hybrid_parsl.engine.signals import TerminatedError, terminable, uninterrupted

ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in (signal.SIGINT, *ENDINGS)]


@pytest.mark.parametrize("number", ENDINGS)
def test_to_be_told_to_end_is_an_exception_that_names_the_signal(number: signal.Signals) -> None:
    before = handlers()
    with pytest.raises(TerminatedError, match=number.name) as told, terminable():
        signal.raise_signal(number)
    assert told.value.exit_code == 128 + number
    assert handlers() == before


def test_nothing_interrupts_the_end_of_a_run() -> None:
    before = handlers()
    with uninterrupted():
        for number in (signal.SIGINT, *ENDINGS):
            signal.raise_signal(number)
    assert handlers() == before


def test_other_threads_leave_signals_alone() -> None:
    seen: list[object] = []

    def look() -> None:
        with terminable(), uninterrupted():
            seen.extend(handlers())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == handlers()


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminable():
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
