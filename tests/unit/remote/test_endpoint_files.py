from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.remote.endpoint_files import write_endpoint

FUNCTION = "4b116d3c-1703-4f8f-9f6f-39921e5864df"


def test_all_files_of_an_endpoint(tmp_path):
    folder = tmp_path / "new" / "hybrid"
    paths = write_endpoint(folder, FUNCTION, 'a "strange" name@example.org')
    assert [path.name for path in paths] == [
        "config.yaml",
        "user_config_schema.json",
        "user_config_template.yaml.j2",
        "user_environment.yaml",
    ]
    assert folder.stat().st_mode & stat.S_IRWXO == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths)
    configuration = paths[0].read_text()
    assert f'allowed_functions:\n  - "{FUNCTION}"\n' in configuration
    assert 'email: "a \\"strange\\" name@example.org"' in configuration
    assert json.loads(paths[1].read_text())["additionalProperties"] is False
    path = next(line for line in paths[3].read_text().splitlines() if line.startswith("PATH: "))
    assert json.loads(path.removeprefix("PATH: ")).startswith(str(Path(sys.executable).parent))


def test_no_secret_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOBUS_COMPUTE_CLIENT_SECRET", "hush")
    for path in write_endpoint(tmp_path / "hybrid", FUNCTION, None):
        assert "hush" not in path.read_text()
        assert "email" not in path.read_text()


def test_an_endpoint_is_not_overwritten(tmp_path):
    (tmp_path / "config.yaml").write_text("mine")
    with pytest.raises(ConfigurationError, match="is not empty"):
        write_endpoint(tmp_path, FUNCTION, None)
    assert (tmp_path / "config.yaml").read_text() == "mine"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="Not a directory"):
        write_endpoint(tmp_path / "file" / "hybrid", FUNCTION, None)
