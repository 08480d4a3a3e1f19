"""Requests to an endpoint and its answers, as JSON."""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import re
import zlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from hybrid_parsl import __version__
from hybrid_parsl.errors import (
    ConfigurationError,
    IdentityMismatchError,
    JobFailedError,
    ResultError,
    RunOverlapError,
    SubmissionError,
)
from hybrid_parsl.own_code import python_path
from hybrid_parsl.records.models import ErrorTable, check_record
from hybrid_parsl.remote import remote_function
from hybrid_parsl.strict_json import parse_json

if TYPE_CHECKING:
    from hybrid_parsl.errors import HybridParslError
    from hybrid_parsl.experiment import Experiment

Action = Literal["run", "collect", "check"]

FUNCTION_NAME = remote_function.hybrid_parsl.__name__
DEFAULT_FOLDER = "~/hybrid-parsl-runs"
_LARGEST_FILE = 64 * 2**20
_LARGEST_ANSWER = 32 * 2**20
_REFUSAL = re.compile(
    r"(?:in the (\w+) stage: )?the (.+?) backend did not take the job: (.*)", re.DOTALL
)


def function_source() -> str:
    """Return the text of the function that an endpoint calls."""
    return inspect.getsource(remote_function)


@dataclass(frozen=True)
class RunRequest:
    """A request to an endpoint for one run.

    Attributes
    ----------
    key
        The name of the local run directory. Calls with the same key resume the same run.
    experiment
        The experiment as TOML; it names no file.
    site
        A site that the endpoint knows.
    site_settings
        Settings of that site, as ``key=value``.
    folder
        A folder on the endpoint, which holds one folder a run; ``~`` and ``$NAME`` are those
        of the endpoint.
    project
        The project folder on the endpoint; None for the endpoint's default.
    """

    key: str
    experiment: str
    site: str = "local"
    site_settings: list[str] = field(default_factory=list)
    folder: str = DEFAULT_FOLDER
    project: str | None = None

    def to_text(self, action: Action) -> str:
        """Return what the function is called with; the endpoint has to have our version."""
        head = {"protocol": remote_function.PROTOCOL, "action": action, "version": __version__}
        return json.dumps({**head, **asdict(self)})


def check_code(experiment: Experiment) -> None:
    """Refuse an experiment whose problem or backend is a file that only this computer has.

    One on PYTHONPATH may be on that of the endpoint as well, which decides whether to run it.

    Raises
    ------
    ConfigurationError
        If there is such a file: an endpoint runs nothing but what is installed there.
    """
    shared = {str(folder) for folder in python_path()}
    if files := [file.name for file in experiment.own_code.files if file.folder not in shared]:
        message = "an endpoint runs only what is installed there, and files are not sent to it"
        valid = "a module that is installed, or on PYTHONPATH, here and on the endpoint"
        raise ConfigurationError(message, None, "problem.kind", ", ".join(files), valid)


def check_folder(text: str) -> str:
    """Return `text` if it can be a folder on the endpoint.

    Raises
    ------
    ConfigurationError
        If it is a relative path.
    """
    if text.startswith(("/", "~", "$")):
        return text
    valid = "a path that begins with /, ~ or $NAME"
    message = "must be an absolute path on the endpoint"
    raise ConfigurationError(message, "--folder", None, text, valid)


def check_request() -> str:
    """Return what the function is called with to learn the versions on the endpoint."""
    return json.dumps({"protocol": remote_function.PROTOCOL, "action": "check"})


def _unpacked(name: str, packed: str) -> bytes:
    """Return the content of a file that came along.

    Raises
    ------
    ValueError
        If it is not an expected file, not text, or too large.
    """
    if name not in remote_function.BROUGHT:
        message = f"a file of the name {name!r}"
        raise ValueError(message)
    stream = zlib.decompressobj()
    content = stream.decompress(base64.b64decode(packed), _LARGEST_FILE)
    if stream.unconsumed_tail or not stream.eof:
        message = f"{name} with more than {_LARGEST_FILE} bytes, or cut short"
        raise ValueError(message)
    content.decode("utf-8")
    return content


class OutputTable(BaseModel):
    """A file that a run has left on the endpoint."""

    name: str
    path: str
    bytes: int
    sha256: str
    here: bool = False


class ManifestTable(BaseModel):
    """The answer of the function about a run."""

    model_config = ConfigDict(strict=True)

    status: str | None = None
    exit_code: int | None = None
    host: str | None = None
    folder: str | None = None
    run_directory: str | None = None
    versions: dict[str, str] = {}
    metrics: dict[str, float | None] = {}
    outputs: list[OutputTable] = []
    stdout_tail: str = ""
    stderr_tail: str = ""
    error: ErrorTable | None = None
    files: dict[str, str] = {}


def read_answer(text: object, model: type[BaseModel]) -> dict[str, Any]:
    """Return the table in an answer of the function, which fits `model`.

    Raises
    ------
    ResultError
        If it is not JSON, or has a missing key or another type of value.
    """
    try:
        return check_record(parse_json(str(text), _LARGEST_ANSWER), model, "its answer", None)
    except (ValueError, ConfigurationError) as error:
        raise ResultError(f"the endpoint gave no valid answer: {error}") from error


@dataclass(frozen=True)
class Manifest:
    """What an endpoint reports about a run.

    Attributes
    ----------
    values
        The answer without the files.
    files
        Content of the files that came along, by name.
    """

    values: dict[str, Any]
    files: dict[str, bytes]

    @classmethod
    def from_text(cls, text: object) -> Manifest:
        """Return the manifest in an answer of the function.

        Raises
        ------
        ResultError
            If it is not a run, or a file in it is damaged.
        """
        try:
            values = read_answer(text, ManifestTable)
            packed = values.pop("files", {})
            files = {name: _unpacked(name, each) for name, each in packed.items()}
        except (ValueError, zlib.error) as error:
            raise ResultError(f"a file from the endpoint is damaged: {error}") from error
        sums = {each["name"]: each["sha256"] for each in values.get("outputs", [])}
        for name, content in files.items():
            if hashlib.sha256(content).hexdigest() != sums.get(name):
                raise ResultError(f"{name} was changed on its way from the endpoint")
        return cls(values, files)

    @property
    def completed(self) -> bool:
        """Whether the run has reached its end without an error."""
        return bool(self.values.get("status") == "completed")

    def error(self, task: str) -> HybridParslError | None:
        """Return why the run in `task` has no result, in our words; None if it is completed.

        The exit code of the endpoint's hybrid-parsl becomes ours.
        """
        code, tail = self.values.get("exit_code"), str(self.values.get("stderr_tail", ""))
        if self.completed:
            return None
        versions = self.values.get("versions", {})
        there = versions.get("hybrid-parsl")
        if there is None:
            fault = versions.get("error", "").strip()
            reason = f"cannot be imported by {versions.get('python', 'its Python')}\n{fault}"
            return IdentityMismatchError(__version__, reason, self.place)
        if there.partition("+")[0] != __version__ and code is None:
            return IdentityMismatchError(__version__, there, self.place)
        if code is None:
            folder = f"folder {self.values.get('folder')} of {self.place}"
            return JobFailedError(task, f"no run has ended in the {folder}", stderr_tail=tail)
        return self._error_of(code, tail, task)

    @property
    def place(self) -> str:
        """Where the run was, for people."""
        return f"the endpoint on {self.values.get('host', 'an unknown host')}"

    def _error_of(self, code: int, tail: str, task: str) -> HybridParslError:
        """Return the error that has the exit code `code`, if one has."""
        message = tail.rpartition("\nerror")[2].removeprefix("error").lstrip(": ").rstrip()
        if code == ConfigurationError.exit_code:
            return ConfigurationError(message, self.place)
        if code == SubmissionError.exit_code:
            return self._refusal(message)
        if code == RunOverlapError.exit_code:
            return RunOverlapError(f"run {self.values.get('run_directory')}", self.place)
        error = self.values.get("error") or {}
        said = f": {error['type']}: {error['message']}" if error else ""
        reason = f"hybrid-parsl ended with exit code {code} on {self.values.get('host')}{said}"
        log = f"{self.values.get('host')}:{self.values.get('folder')}/stderr.log"
        return JobFailedError(task, reason, log, tail)

    def _refusal(self, message: str) -> SubmissionError:
        """Return the error of a backend there, whose `message` is that of such an error."""
        found = _REFUSAL.fullmatch(message)
        stage, backend, reason = found.groups() if found else (None, "site's", message)
        error = SubmissionError(backend, reason)
        if stage:
            error.add_note(f"stage: {stage}")
        error.add_note(f"so says {self.place}")
        return error
