from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from ended_runs import document, make_run

from hybrid_parsl.crate.archive import read_crate
from hybrid_parsl.crate.export import export_run
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.records.run_lock import run_lock

if TYPE_CHECKING:
    from pathlib import Path


def test_an_export_can_be_read_and_does_not_replace_a_file(tmp_path: Path) -> None:
    directory, path = make_run(tmp_path / "r"), tmp_path / "r.zip"
    (directory.path / "ro-crate-metadata.json").unlink()
    export_run(directory, path)
    assert read_crate(path).results == document()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="exists already"):
        export_run(directory, path)
    export_run(directory, path, force=True)
    assert path.read_bytes() == before


def test_an_export_holds_nothing_private(tmp_path: Path) -> None:
    directory, path = make_run(tmp_path / "r"), tmp_path / "r.zip"
    export_run(directory, path)
    with zipfile.ZipFile(path) as packed:
        for name in packed.namelist():
            assert b"secret" not in packed.read(name)
            assert str(tmp_path).encode() not in packed.read(name)


def test_a_secret_in_the_experiment_is_refused(tmp_path: Path) -> None:
    results = document()
    results["experiment"] = {**results["experiment"], "quantum": {"options": {"api_token": "abc"}}}
    directory = make_run(tmp_path / "r", results)
    with pytest.raises(ConfigurationError, match="sounds like a secret") as caught:
        export_run(directory, tmp_path / "r.zip")
    assert caught.value.key == "quantum.options"


@pytest.mark.parametrize(
    ("name", "text", "line", "found"),
    [
        ("code/mysecret.py", 'a = 1\nIBM_TOKEN = "S-code"\n', 2, "IBM_TOKEN"),
        ("code/apps/search.py", 'search(headers={"api_key": "S-code"})\n', 1, "api_key"),
        ("results.json", None, 1, "TOKEN"),
    ],
)
def test_a_secret_in_what_a_crate_needs_is_refused(
    tmp_path: Path, name: str, text: str | None, line: int, found: str
) -> None:
    directory = make_run(tmp_path / "r")
    results = document(error={"type": "RuntimeError", "message": "with TOKEN=S-error"})
    directory.write(name, text or json.dumps(results))
    with pytest.raises(ConfigurationError, match="sounds like a secret") as caught:
        export_run(directory, tmp_path / "r.zip")
    assert caught.value.key == f"{name}, line {line}"
    assert caught.value.found == found
    assert "S-" not in str(caught.value)
    assert not (tmp_path / "r.zip").exists()


def test_code_that_reads_its_secrets_is_exported(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "r")
    directory.write(
        "code/client.py",
        'TOKEN = os.environ["IBM_TOKEN"]\npassword: str = getpass()\ntokens, max_tokens = 3, "4"\n',
    )
    assert "code/client.py" in read_crate(export_run(directory, tmp_path / "r.zip")).files


def test_a_run_that_has_not_ended_is_refused(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "r")
    results = document()
    results["run"]["status"] = "running"
    directory.write_json("results.json", results)
    with pytest.raises(ConfigurationError, match="has not ended") as caught:
        export_run(directory, tmp_path / "r.zip")
    assert caught.value.found == "left"
    with run_lock(directory.lock, "run r"), pytest.raises(ConfigurationError) as caught:
        export_run(directory, tmp_path / "r.zip")
    assert caught.value.found == "running"
