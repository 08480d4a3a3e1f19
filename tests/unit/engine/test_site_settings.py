from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from hybrid_parsl.engine import site_settings
from hybrid_parsl.engine.site_settings import (
    ShellText,
    SiteSettings,
    describe_settings,
    read_settings,
)
from hybrid_parsl.engine.time_spans import Duration  # noqa: TC001 - pydantic reads it
from hybrid_parsl.errors import ConfigurationError, SiteSettingsError


class Settings(SiteSettings):
    account: str = Field(description="Who pays.")
    partition: str = Field(description="The queue.")
    nodes: int = Field(default=1, ge=1, description="Nodes of a block.")
    mpi: Literal["job", "pilot"] = Field(default="job", description="How ranks start.")
    walltime: Duration = Field(default=timedelta(hours=1), description="Longest time.")
    modules: list[ShellText] = Field(default=[], description="Modules.")
    worker_init: ShellText = Field(default="", description="Shell commands.")
    attributes: dict[str, str] = Field(default={}, description="More.")


NEEDED = ["account=a", "partition=p"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "hybrid-parsl").mkdir()
    return tmp_path / "hybrid-parsl" / "sites.toml"


def read(*assignments: str) -> Settings:
    return read_settings(Settings, "my-site", assignments)


def test_defaults_then_file_then_environment_then_command_line(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(*NEEDED).nodes == 1
    home.write_text("[my-site]\nnodes = 2\naccount = 'f'\npartition = 'f'\n[other]\nnodes = 9\n")
    assert (read().nodes, read().account) == (2, "f")
    monkeypatch.setenv("HYBRID_PARSL_MY_SITE_NODES", "3")
    assert (read().nodes, read().account) == (3, "f")
    assert (read("nodes=4").nodes, read("nodes=4").account) == (4, "f")


def test_all_faults_are_told_at_once_with_where_they_came_from(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_text("[my-site]\nnodes = 0\n")
    monkeypatch.setenv("HYBRID_PARSL_MY_SITE_MPI", "pilto")
    with pytest.raises(SiteSettingsError) as caught:
        read("partitoin=debug", "walltime=soon")
    text = str(caught.value)
    assert f"{home} [my-site]: nodes" in text
    assert "at least 1" in text
    assert "$HYBRID_PARSL_MY_SITE_MPI: mpi" in text
    assert "did you mean 'pilot'" in text
    assert "--site-set: partitoin: unknown key" in text
    assert "did you mean 'partition'" in text
    assert "walltime: is not a time span" in text
    assert "account: missing" in text
    assert "--site-set account=..., $HYBRID_PARSL_MY_SITE_ACCOUNT" in text
    assert caught.value.exit_code == 2


def test_one_fault_is_told_alone() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read("account=a")
    assert not isinstance(caught.value, SiteSettingsError)
    assert caught.value.key == "partition"


@pytest.mark.parametrize("word", ["account", "=x", ""])
def test_an_assignment_without_a_value(word: str) -> None:
    with pytest.raises(ConfigurationError, match="KEY=VALUE"):
        read(*NEEDED, word)


def test_texts_lists_and_tables() -> None:
    found = read("account=007", "partition=[x", 'modules=["a", "b"]', "attributes={ qos = 'x y' }")
    assert (found.account, found.partition) == ("007", "[x")
    assert found.modules == ["a", "b"]
    assert found.attributes == {"qos": "x y"}


def test_a_list_that_is_nested_too_deeply_is_a_text() -> None:
    assert read("account=x", f"partition={'[' * 5000}").partition == "[" * 5000


def test_environment_variables_expand_but_not_in_shell_commands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHO", "me")
    found = read(
        "account=$WHO",
        "partition=${WHO}2",
        "worker_init=echo $WHO",
        'modules=["$WHO"]',
        "attributes={ mail = '$WHO@x' }",
    )
    assert (found.account, found.partition) == ("me", "me2")
    assert found.worker_init == "echo $WHO"
    assert found.modules == ["$WHO"]
    assert found.attributes == {"mail": "me@x"}


def test_a_variable_that_is_not_set_is_told() -> None:
    with pytest.raises(ConfigurationError, match="variable NO_SUCH_THING is not set") as caught:
        read("account=$NO_SUCH_THING", "partition=p")
    assert (caught.value.source, caught.value.key) == ("--site-set", "account")


@pytest.mark.parametrize(
    "text",
    ["[my-site", "my-site = 3\n", "account = 'x'\n[my-site]\n", f"x = {'[' * 5000}{']' * 5000}"],
)
def test_a_broken_file(home: Path, text: str) -> None:
    home.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read(*NEEDED)
    assert caught.value.source == str(home)


def rows_of(*assignments: str) -> dict[str, dict[str, str]]:
    rows, fault = describe_settings(Settings, "my-site", assignments)
    assert fault is None
    return {row["setting"]: row for row in rows}


def test_each_setting_is_described() -> None:
    account, walltime = rows_of()["account"], rows_of(*NEEDED, "walltime=1-12")["walltime"]
    assert (account["value"], account["from"], account["meaning"]) == (
        *("(needed)", ""),
        "Who pays.",
    )
    assert (walltime["value"], walltime["default"]) == ("1-12:00:00", "1:00:00")
    assert rows_of()["modules"]["value"] == ""


def test_each_value_is_shown_with_its_origin(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRID_PARSL_MY_SITE_PARTITION", "$QUEUE")
    monkeypatch.setenv("QUEUE", "debug")
    home.write_text("[my-site]\naccount = 'f'\npartition = 'f'\nnodes = 2\n")
    shown = {name: (row["value"], row["from"]) for name, row in rows_of("nodes=4").items()}
    assert shown["account"] == ("f", f"{home} [my-site]")
    assert shown["partition"] == ("debug", "$HYBRID_PARSL_MY_SITE_PARTITION")
    assert shown["nodes"] == ("4", "--site-set")
    assert shown["mpi"] == ("job", "default")


def test_secrets_are_not_shown(home: Path) -> None:
    home.write_text(
        "[my-site]\nworker_init = 'export API_TOKEN=\"a b\" X=1; curl https://me:pw@host'\n"
        "attributes = { my_password = 'hunter2', other = 'shown' }\n"
    )
    shown = rows_of()
    assert shown["worker_init"]["value"] == (
        "export API_TOKEN=(hidden) X=1; curl https://(hidden)@host"
    )
    assert shown["attributes"]["value"] == "{'my_password': '(hidden)', 'other': 'shown'}"


def test_a_value_that_is_not_valid_is_shown_and_reported(home: Path) -> None:
    home.write_text("[my-site]\nnodes = 0\n")
    rows, fault = describe_settings(Settings, "my-site")
    assert {row["setting"]: row["value"] for row in rows}["nodes"] == "0"
    assert fault is not None
    assert (fault.source, fault.key) == (f"{home} [my-site]", "nodes")


def test_settings_can_be_written_down() -> None:
    written = json.loads(read(*NEEDED, "walltime=2m").model_dump_json())
    assert written["walltime"] == "120s"
    assert read_settings(
        Settings,
        "x",
        [
            f"{k}={v}"
            for k, v in [("account", "a"), ("partition", "p"), ("walltime", written["walltime"])]
        ],
    ).walltime == timedelta(minutes=2)


def test_the_file_is_below_home_without_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert site_settings.settings_file() == Path("/home/me/.config/hybrid-parsl/sites.toml")
