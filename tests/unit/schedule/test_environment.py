from __future__ import annotations

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.environment import captured, read_environment_file, run_environment


@pytest.fixture
def secrets(tmp_path):
    path = tmp_path / "secrets"
    path.write_text(
        "# mine\n\nexport A=1\nB = x\nTOKEN='a b'\nC=\"\nD=a=b\n".replace("B = x\n", "")
    )
    path.chmod(0o600)
    return path


def test_a_schedule_keeps_what_cron_would_not_give(monkeypatch):
    monkeypatch.setenv("PATH", "/here")
    monkeypatch.setenv("HYBRID_PARSL_SLURM_ACCOUNT", "physics")
    monkeypatch.setenv("HYBRID_PARSL_API_TOKEN", "hidden")
    monkeypatch.setenv("OTHER", "x")
    found = captured([])
    assert found["PATH"] == "/here"
    assert found["HYBRID_PARSL_SLURM_ACCOUNT"] == "physics"
    assert "OTHER" not in found
    assert "hidden" not in found.values()
    assert captured(["OTHER"])["OTHER"] == "x"


SECRETS = [
    "MY_TOKEN",
    "API_KEY",
    "Password",
    "AWS_SECRET",
    "DB_PWD",
    "NPM_AUTH",
    "GPG_PASSPHRASE",
    "SLACK_WEBHOOK_URL",
    "DB_PASS",
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_not_kept(monkeypatch, name):
    monkeypatch.setenv(name, "hidden")
    with pytest.raises(ConfigurationError, match="--env-file") as caught:
        captured([name])
    assert "hidden" not in str(caught.value)


def test_a_variable_that_is_not_set(monkeypatch):
    monkeypatch.delenv("NOBODY", raising=False)
    with pytest.raises(ConfigurationError, match="is not set"):
        captured(["NOBODY"])


def test_a_file_of_variables(secrets):
    assert read_environment_file(secrets) == {"A": "1", "TOKEN": "a b", "C": '"', "D": "a=b"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_is_refused(secrets, mode):
    secrets.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_environment_file(secrets)


def test_a_line_that_is_none_is_not_shown(secrets):
    secrets.write_text("A=1\nhidden\n")
    with pytest.raises(ConfigurationError, match="line 2") as caught:
        read_environment_file(secrets)
    assert "hidden" not in str(caught.value)


def test_the_file_comes_last_and_a_home_is_there(monkeypatch, make_schedule, secrets):
    monkeypatch.delenv("HOME")
    schedule = make_schedule(environment={"A": "0", "Z": "2"}, environment_file=str(secrets))
    found = run_environment(schedule)
    assert (found["A"], found["Z"]) == ("1", "2")
    assert found["HOME"]


def test_only_a_line_break_ends_a_line(secrets):
    secrets.write_text("TOKEN=ab\u2028cd=ef\x0cgh\r\nA=1\n")
    assert read_environment_file(secrets) == {"TOKEN": "ab\u2028cd=ef\x0cgh", "A": "1"}


def test_a_value_that_no_program_can_get(secrets):
    secrets.write_text("A=1\nB=x\0y\n")
    with pytest.raises(ConfigurationError, match="line 2"):
        read_environment_file(secrets)


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "XAUTHORITY", "AUTHOR", "COMPASS", "KEYBOARD"])
def test_names_that_only_look_alike_are_kept(monkeypatch, name):
    monkeypatch.setenv(name, "x")
    assert captured([name])[name] == "x"
