from __future__ import annotations

import pytest

from hybrid_parsl.remote.client import ID_VARIABLE
from hybrid_parsl.remote.functions import functions_file, known_function


class Registry:
    """Gives each registration another id, as the service does."""

    def __init__(self):
        self.n_registered = 0

    def register(self):
        self.n_registered += 1
        return f"id {self.n_registered}"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv(ID_VARIABLE, raising=False)
    return tmp_path


def test_the_function_is_registered_once():
    registry = Registry()
    assert [known_function(registry) for _ in range(3)] == ["id 1"] * 3
    assert registry.n_registered == 1


def test_another_user_or_environment_has_another_function(monkeypatch):
    registry = Registry()
    assert known_function(registry) == "id 1"
    monkeypatch.setenv(ID_VARIABLE, "somebody")
    assert known_function(registry) == "id 2"
    monkeypatch.setenv("GLOBUS_SDK_ENVIRONMENT", "local")
    assert known_function(registry) == "id 3"


@pytest.mark.parametrize("text", ["", "[]", "no JSON"])
def test_a_damaged_file_is_made_anew(text):
    functions_file().parent.mkdir(parents=True)
    functions_file().write_text(text)
    assert known_function(Registry()) == "id 1"
    assert known_function(Registry()) == "id 1"
