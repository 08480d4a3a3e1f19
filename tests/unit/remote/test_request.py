from __future__ import annotations

import base64
import hashlib
import json
import zlib

import pytest

from hybrid_parsl import __version__
from hybrid_parsl.cli.failure import failure_text
from hybrid_parsl.errors import (
    ConfigurationError,
    IdentityMismatchError,
    JobFailedError,
    ResultError,
    RunOverlapError,
    SubmissionError,
)
from hybrid_parsl.experiment import Experiment
from hybrid_parsl.own_code import OwnCode, SourceFile
from hybrid_parsl.remote.request import (
    DEFAULT_FOLDER,
    Manifest,
    RunRequest,
    check_code,
    check_folder,
)

BASE = {
    "host": "login1",
    "versions": {"hybrid-parsl": f"{__version__}+0123456789abcdef"},
    "folder": "/runs/a",
    "status": "failed",
    "stderr_tail": "warning: slow disk\nerror in the search stage: rank 1 raised ValueError: no",
}


def failed(**values):
    return Manifest({**BASE, **values}, {}).error("a-task")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, JobFailedError),
        (2, ConfigurationError),
        (3, SubmissionError),
        (4, JobFailedError),
        (6, RunOverlapError),
        (143, JobFailedError),
    ],
)
def test_the_exit_code_there_says_what_is_wrong(code, kind):
    error = failed(exit_code=code)
    assert type(error) is kind
    assert "login1" in failure_text(error)


def test_the_message_there_is_the_message_here():
    error = failed(exit_code=2, stderr_tail="error: site.toml: account: missing\n  valid: a name\n")
    assert error.message == "site.toml: account: missing\n  valid: a name"
    assert failed(exit_code=4).stderr_tail == BASE["stderr_tail"]


def test_a_backend_that_refuses_there_is_told_as_one_here():
    said = "error in the search stage: the slurm backend did not take the job: sbatch: no\n  such\n"
    error = failed(exit_code=3, stderr_tail=said)
    assert failure_text(error) == f"{said}so says the endpoint on login1"
    assert "rank 1 raised" in failure_text(failed(exit_code=3))


@pytest.mark.parametrize("folder", ["runs", "", "../runs", "./~"])
def test_a_folder_that_depends_on_where_one_is(folder):
    with pytest.raises(ConfigurationError, match="--folder"):
        check_folder(folder)


def test_a_folder_of_the_endpoint():
    for folder in (DEFAULT_FOLDER, "/scratch", "$SCRATCH/runs"):
        assert check_folder(folder) == folder


def test_another_version_there():
    error = failed(exit_code=None, versions={"hybrid-parsl": "0.0.1+0123456789abcdef"})
    assert isinstance(error, IdentityMismatchError)
    assert error.there.startswith("0.0.1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "no JSON",
        "[]",
        '{"files": {"results.json": "no zlib"}}',
        '{"files": {"results.json": 7}}',
        '{"outputs": [{}]}',
        "[" * 100_000,
        '{"metrics": {"energy": Infinity}}',
        '{"versions": {"hybrid-parsl": 1}}',
        '{"exit_code": "0"}',
        '{"error": {"type": "A"}}',
        '{"status": ["completed"]}',
    ],
)
def test_what_is_no_manifest(text):
    with pytest.raises(ResultError, match=r"no valid answer|is damaged"):
        Manifest.from_text(text)


@pytest.mark.parametrize("name", ["../../.bashrc", "/etc/passwd", "remote.json", "experiment.toml"])
def test_an_endpoint_brings_no_file_but_the_results(name):
    content = b"evil"
    packed = base64.b64encode(zlib.compress(content)).decode()
    output = {"name": name, "path": "", "bytes": 4, "sha256": hashlib.sha256(content).hexdigest()}
    with pytest.raises(ResultError, match="a file of the name"):
        Manifest.from_text(json.dumps({"files": {name: packed}, "outputs": [output]}))


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("content", [b"\xff\xfe", b"0" * (64 * 2**20 + 1)])
def test_a_file_that_is_no_text_or_has_no_end_is_refused(content):
    packed = base64.b64encode(zlib.compress(content)).decode()
    output = {
        "name": "report.html",
        "path": "",
        "bytes": 4,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    with pytest.raises(ResultError, match=r"no valid answer|is damaged"):
        Manifest.from_text(json.dumps({"files": {"report.html": packed}, "outputs": [output]}))


def test_a_changed_file_is_noticed():
    packed = "eJwDAAAAAAE="  # nothing at all
    output = {"name": "report.html", "path": "", "bytes": 4, "sha256": "0" * 64}
    text = json.dumps({"files": {"report.html": packed}, "outputs": [output]})
    with pytest.raises(ResultError, match=r"report\.html was changed"):
        Manifest.from_text(text)


def test_a_request_is_json_and_names_the_version():
    values = json.loads(RunRequest("key", "name = 'x'", site="slurm").to_text("collect"))
    assert values["action"] == "collect"
    assert values["site"] == "slurm"
    assert values["version"] == __version__


def test_a_file_that_the_endpoint_cannot_have_is_refused(tmp_path, monkeypatch):
    plain = Experiment.model_validate({"name": "x", "problem": {"kind": "bell"}})
    asked = plain.with_own_code(OwnCode((SourceFile(str(tmp_path), "mine.py", b""),)))
    with pytest.raises(ConfigurationError) as caught:
        check_code(asked)
    assert caught.value.found == "mine.py"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # as it may be there, too
    check_code(asked)
