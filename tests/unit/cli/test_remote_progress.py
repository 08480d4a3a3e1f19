from __future__ import annotations

from hybrid_parsl.cli.remote_progress import Progress


def test_a_state_is_printed_when_it_changes_and_each_minute(capsys):
    times = iter([0.0, 1.0, 2.0, 59.0, 62.0, 70.0])
    progress = Progress(lambda: next(times))
    for state in [
        "waiting-for-ep",
        "waiting-for-ep",
        "waiting-for-ep",
        "waiting-for-ep",
        "running",
    ]:
        progress(state)
    first, minute, running = capsys.readouterr().err.splitlines()
    assert first.startswith("1 s: waiting-for-ep (the endpoint has not taken it yet")
    assert minute == "1 min 02 s: waiting-for-ep"
    assert running.startswith("1 min 10 s: running (a worker")


def test_a_word_that_is_not_known_is_printed_as_it_is(capsys):
    times = iter([0.0, 3.0])
    Progress(lambda: next(times))("paused")
    assert capsys.readouterr().err == "3 s: paused\n"
