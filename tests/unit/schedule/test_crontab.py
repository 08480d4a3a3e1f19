from __future__ import annotations

import os
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule import crontab
from hybrid_parsl.schedule.cron_expression import parse_cron

NIGHTLY = parse_cron("0 2 * * *")
names = st.text("abc-", min_size=1, max_size=3)
paths = st.lists(st.text("ab %'\"$\\#~", min_size=1, max_size=6), min_size=1, max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)
texts = st.one_of(
    st.text(),
    st.binary().map(lambda data: data.decode(errors="surrogateescape")),
    st.lists(
        st.sampled_from(["0 1 * * * x", "MAILTO=a", "# c", "", "\r", " 5 4 * * * y\x0bz"]),
    ).map("\n".join),
)


def line(path):
    return crontab.crontab_line(NIGHTLY, path)


@given(texts, paths)
def test_adding_then_removing_changes_no_byte(text, path):
    added = crontab.add_line(text, line(path))
    assert crontab.has_line(added, path)
    assert crontab.remove_lines(added, path) == text


@given(texts, st.lists(names, unique=True, max_size=4), st.randoms())
def test_schedules_come_and_go_in_any_order(text, some, random):
    table = text
    for name in some:
        table = crontab.add_line(table, line(f"/s/{name}.toml"))
    random.shuffle(some)
    for name in some:
        assert crontab.has_line(table, f"/s/{name}.toml")
        table = crontab.remove_lines(table, f"/s/{name}.toml")
    assert table == text


@given(paths)
def test_the_shell_gets_the_words_that_were_meant(path):
    command = line(path).removeprefix("0 2 * * * ")
    # cron: an escaped % is a %, and there is no other, which would end the command
    unescaped = command.replace(r"\%", "%")
    assert command.count("%") == command.count(r"\%")
    assert shlex.split(unescaped) == crontab.command_words(path)
    program = f'printf "%s\\n" {unescaped}'
    said = subprocess.run(["/bin/sh", "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == path


def test_a_line_whose_times_were_edited_is_still_ours():
    table = f"0 1 * * * x\n5 5 * * 1 {line('/s/a.toml').removeprefix('0 2 * * * ')}\n"
    assert crontab.remove_lines(table, "/s/a.toml") == "0 1 * * * x\n"


def test_a_line_that_was_commented_out_is_the_users():
    table = f"#{line('/s/a.toml')}\n"
    assert not crontab.has_line(table, "/s/a.toml")
    assert crontab.remove_lines(table, "/s/a.toml") == table


def test_a_schedule_whose_name_ends_in_another_one_is_another():
    table = crontab.add_line("", line("/s/a/nightly.toml"))
    assert not crontab.has_line(table, "/nightly.toml")


@pytest.mark.parametrize("path", ["/a\nb", "/a\tb", "/a\x00b"])
def test_a_path_that_no_crontab_can_hold_is_refused(path):
    with pytest.raises(ConfigurationError, match="cannot hold"):
        line(path)


def test_a_line_that_cron_would_cut_off_is_refused():
    with pytest.raises(ConfigurationError, match="too long"):
        line(f"/{'a' * crontab.LONGEST_COMMAND}")


def test_a_computer_without_crontab_says_what_else_there_is(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not crontab.is_available()
    with pytest.raises(ConfigurationError, match="systemd"):
        crontab.read_crontab()


SLOW = """#!/bin/sh
case "$1" in
-l) cat {table} 2>/dev/null || {{ echo no crontab for me >&2; exit 1; }}; sleep 0.2 ;;
-) sleep 0.1; cat > {table} ;;
esac
"""


def test_schedules_that_come_at_one_moment_are_all_kept(monkeypatch, tmp_path):
    program, table = tmp_path / "bin" / "crontab", tmp_path / "table"
    program.parent.mkdir()
    program.write_text(SLOW.format(table=table))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    files = [tmp_path / "schedules" / f"{name}.toml" for name in "abcd"]
    with ThreadPoolExecutor(len(files)) as pool:
        list(pool.map(lambda file: crontab.install(NIGHTLY, file), files))
    assert sorted(table.read_text().splitlines()) == sorted(line(str(file)) for file in files)
    with ThreadPoolExecutor(len(files)) as pool:
        assert all(pool.map(crontab.uninstall, files[1:]))
    assert table.read_text().splitlines() == [line(str(files[0]))]


@pytest.mark.parametrize("tail", [" >>log 2>&1", ">log", "; true", " && touch done"])
def test_a_line_with_something_behind_is_still_ours(tail):
    table = f"{line('/s/a.toml')}{tail}\n"
    assert crontab.has_line(table, "/s/a.toml")
    assert crontab.remove_lines(table, "/s/a.toml") == ""
    assert not crontab.has_line(f"{line('/s/a.toml')}.bak\n", "/s/a.toml")
