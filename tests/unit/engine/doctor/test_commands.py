from __future__ import annotations

from hybrid_parsl.engine.doctor.commands import ask


def test_an_answer_has_code_output_and_words() -> None:
    answer = ask("sh", "-c", "cat; echo no such  queue >&2; exit 3", text="read\n")
    assert (answer.code, answer.out, answer.words) == (3, "read\n", "no such queue read")


def test_a_command_that_is_missing_hangs_or_says_nothing_is_an_answer_too() -> None:
    assert ask("no-such-command-at-all").code == 127
    assert "No such file" in ask("no-such-command-at-all").words
    assert ask("sleep", "100", patience_s=0.1).words == "sleep gave no answer in 0.1 s"
    assert ask("false").words == "false ended with exit code 1 and no word"
