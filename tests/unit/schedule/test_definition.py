from __future__ import annotations

import os
import stat
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import ConfigurationError, UntrustedFileError
from hybrid_parsl.schedule import definition
from hybrid_parsl.schedule.definition import Schedule


@pytest.fixture(autouse=True)
def configuration(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_what_is_written_is_read(make_schedule):
    schedule = make_schedule(deadline="1h30m", keep=3, environment={"A": "x\n'\"✓"})
    path = definition.write_definition(schedule)
    assert definition.read_definition(path) == schedule
    assert schedule.deadline_s == 5400


def test_the_file_is_for_its_user_alone(make_schedule):
    path = definition.write_definition(make_schedule(on_failure="https://h/secret"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@given(st.dictionaries(st.text(), st.text()))
def test_any_variables_survive_the_file(variables):
    common = dict.fromkeys(("experiment", "folder", "runs_dir", "state"), "/x")
    schedule = Schedule(name="a", cron="@daily", environment=variables, **common)
    assert Schedule.model_validate(tomllib.loads(schedule.to_toml())) == schedule


def test_a_schedule_is_found_by_name_and_by_path(make_schedule):
    path = definition.write_definition(make_schedule())
    assert definition.definition_file("a") == definition.definition_file(str(path)) == path


def test_an_unknown_name_tells_the_known_ones(make_schedule):
    with pytest.raises(ConfigurationError, match="none yet"):
        definition.definition_file("nightly")
    definition.write_definition(make_schedule(name="nightly"))
    with pytest.raises(ConfigurationError, match="did you mean 'nightly'"):
        definition.definition_file("nigthly")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = 3", ["name"]),
        ("nam", ["cannot be read"]),
        ('cron = "0 25 * * *"', ["cron", "25"]),
        ("keep = 0", ["keep", "at least 1"]),
        ('deadline = "soon"', ["deadline", "90s"]),
        ('kep = "1"', ["kep", "keep"]),
    ],
)
def test_a_file_that_somebody_edited_wrongly_says_what_is_wrong(make_schedule, text, words):
    path = definition.write_definition(make_schedule())
    key = text.partition(" ")[0]
    kept = [line for line in path.read_text().splitlines() if not line.startswith(f"{key} ")]
    path.write_text("\n".join([text, *kept]))
    with pytest.raises(ConfigurationError) as caught:
        definition.read_definition(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("Nightly", "nightly"),
        ("a b", "a-b"),
        ("../x", "x"),
        ("-a", "a"),
        ("a" * 53, "a" * 52),
        ("ü", None),
        ("a\n", "a"),
    ],
)
def test_a_name_has_to_do_for_every_scheduler(name, guess):
    with pytest.raises(ConfigurationError) as caught:
        definition.check_name(name)
    assert caught.value.suggestion == guess


def test_names_that_will_do():
    for name in ("a", "nightly-2", "0" * 52):
        assert definition.check_name(name) == name


def test_without_variables_the_folders_are_those_of_the_home(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert definition.schedules_folder() == tmp_path / ".config/hybrid-parsl/schedules"
    assert definition.state_folder("a") == tmp_path / ".local/state/hybrid-parsl/schedules/a"


def test_a_file_that_others_can_write_is_not_carried_out(make_schedule):
    path = definition.write_definition(make_schedule(on_failure="touch /tmp/x"))
    path.chmod(0o666)
    with pytest.raises(UntrustedFileError, match="can be written by other users"):
        definition.read_definition(path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_refused(make_schedule, tmp_path):
    path = definition.write_definition(make_schedule())
    os.chown(path, 12345, 12345)
    with pytest.raises(UntrustedFileError, match="belongs to another user"):
        definition.read_definition(path)
    state = tmp_path / "planted"
    state.mkdir()
    os.chown(state, 12345, 12345)
    with pytest.raises(UntrustedFileError, match="belongs to another user"):
        definition.make_private_folder(state)
