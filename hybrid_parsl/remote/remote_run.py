"""A run on an endpoint as its local run directory knows it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hybrid_parsl.errors import (
    ConfigurationError,
    HybridParslError,
    JobFailedError,
    JobRejectedError,
    ResultError,
)
from hybrid_parsl.records.run_directory import REMOTE, RunDirectory, now
from hybrid_parsl.remote.request import Manifest, ManifestTable, RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hybrid_parsl.remote.client import ComputeService


def begin(
    parent: Path,
    name: str,
    request: RunRequest,
    endpoint: str,
    function: str,
    template: dict[str, Any],
    service: ComputeService,
) -> RemoteRun:
    """Make the local run directory of a new run, submit the run, and return it.

    Parameters
    ----------
    parent
        The folder of all runs.
    name
        The name of the experiment.
    request
        The request; its key becomes the name of the directory.
    endpoint, function
        Their ids.
    template
        Values for the endpoint's template.
    service
        Whom to submit to.

    Raises
    ------
    BackendUnavailableError
        If whether it was submitted is not known: the directory stays, for ``remote resume``.
    JobRejectedError
        If the service refused, and nothing stays.
    """
    directory = RunDirectory.create(parent, name)
    keyed = replace(request, key=directory.path.name)
    run = RemoteRun(directory, endpoint, function, keyed, template).write()
    directory.write("experiment.toml", request.experiment)
    try:
        return run.submit(service)
    except JobRejectedError:
        shutil.rmtree(directory.path, ignore_errors=True)
        raise
    except HybridParslError as error:
        error.add_note(f"try again with: hybrid-parsl remote resume {directory.path.name}")
        raise


class _Submission(BaseModel):
    """Time and ids of a call."""

    time: str
    task_group: str
    task: str


class _RemoteRecord(BaseModel):
    """``remote.json``."""

    endpoint: str
    function: str
    request: RunRequest
    template: dict[str, Any]
    submissions: list[_Submission]
    manifest: ManifestTable | None


@dataclass(frozen=True)
class RemoteRun:
    """A run on an endpoint; what is known of it is in ``remote.json``.

    Attributes
    ----------
    directory
        Its local run directory. What was asked is there before the service is, and the ids of
        the task before anybody waits for it.
    endpoint, function
        Their ids.
    request
        What was asked.
    template
        Values for the endpoint's template.
    submissions
        Time and ids of each call, the last one last.
    manifest
        What the endpoint has reported, None before the first report.
    """

    directory: RunDirectory
    endpoint: str
    function: str
    request: RunRequest
    template: dict[str, Any] = field(default_factory=dict)
    submissions: tuple[dict[str, str], ...] = ()
    manifest: dict[str, Any] | None = None

    @classmethod
    def read(cls, directory: RunDirectory) -> RemoteRun:
        """Return the run whose local directory is `directory`.

        Raises
        ------
        ConfigurationError
            If it is no run on an endpoint, or its record is damaged.
        """
        if not directory.is_remote:
            message = "was not run on an endpoint"
            raise ConfigurationError(message, None, None, directory.path.name)
        values = directory.read_record(REMOTE, _RemoteRecord)
        return cls(
            directory,
            endpoint=values["endpoint"],
            function=values["function"],
            request=_RemoteRecord.model_validate(values).request,
            template=values["template"],
            submissions=tuple(values["submissions"]),
            manifest=values["manifest"],
        )

    def write(self) -> RemoteRun:
        """Write down what is known, and return the run.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        values = {
            "endpoint": self.endpoint,
            "function": self.function,
            "request": asdict(self.request),
            "template": self.template,
            "submissions": self.submissions,
            "manifest": self.manifest,
        }
        self.directory.write_json(REMOTE, values)
        return self

    @property
    def task(self) -> str:
        """The id of the last call.

        Raises
        ------
        ConfigurationError
            If there was none, or its id was lost.
        """
        if not self.submissions:
            name = self.directory.path.name
            valid = f"submit it: hybrid-parsl remote resume {name}"
            raise ConfigurationError("was not submitted, or not known to be", name, valid=valid)
        return self.submissions[-1]["task"]

    def submit(self, service: ComputeService) -> RemoteRun:
        """Let the endpoint start or resume the run, and record the task."""
        call = service.submit(
            self.endpoint, self.function, self.request.to_text("run"), self.template
        )
        ids = {"time": now(), "task_group": call.task_group, "task": call.task}
        self.directory.event("remote task submitted", **ids)
        return replace(self, submissions=(*self.submissions, ids)).write()

    def wait(
        self,
        service: ComputeService,
        limit_s: float | None,
        on_state: Callable[[str], None] | None = None,
    ) -> RemoteRun:
        """Wait for the last call, at most `limit_s` seconds, and keep what it brings.

        A result that the service has lost is requested again: it is on the endpoint's disk.

        Raises
        ------
        HybridParslError
            If why there is no result: see `ComputeService.wait`.
        """
        name = self.directory.path.name
        advice = f"the endpoint may still work on it; see: hybrid-parsl remote attach {name}"
        try:
            answer = service.wait(self.task, limit_s, f"run {name}", advice, on_state)
        except ResultError:
            return self.collect(service, limit_s)
        return self._keep(Manifest.from_text(answer))

    def collect(self, service: ComputeService, limit_s: float | None) -> RemoteRun:
        """Ask the endpoint what the run has left on its disk so far, and keep that.

        Raises
        ------
        HybridParslError
            If the endpoint is offline, or does not answer: see `ComputeService.wait`.
        """
        service.check_online(self.endpoint)
        request = self.request.to_text("collect")
        call = service.submit(self.endpoint, self.function, request, self.template)
        what = f"the endpoint {self.endpoint}"
        advice = "all its workers may be busy; try again later"
        return self._keep(Manifest.from_text(service.wait(call.task, limit_s, what, advice)))

    @property
    def finished(self) -> bool:
        """Whether the endpoint has said that the run is completed."""
        return self.status == "completed"

    @property
    def status(self) -> str:
        """What the endpoint has said of the run, or that it has said nothing."""
        told = (self.manifest or {}).get("status")
        return str(told or ("submitted" if self.submissions else "not submitted"))

    def check(self) -> None:
        """Check that the run is known to have reached its end.

        Raises
        ------
        HybridParslError
            If why it has not.
        """
        error = Manifest(self.manifest or {}, {}).error(self.task)
        if isinstance(error, JobFailedError):
            error.add_note(f"resume with: hybrid-parsl remote resume {self.directory.path.name}")
        if error is not None:
            raise error

    def brought(self) -> list[str]:
        """Return the names of the outputs that are here as they are on the endpoint."""
        outputs = (self.manifest or {}).get("outputs", [])
        return [each["name"] for each in outputs if each.get("here")]

    def left_there(self) -> list[dict[str, Any]]:
        """Return name, path, size in bytes and SHA-256 of the outputs that are not here."""
        outputs = (self.manifest or {}).get("outputs", [])
        return [each for each in outputs if not each.get("here")]

    def _keep(self, manifest: Manifest) -> RemoteRun:
        """Write down a manifest and the files that came along."""
        for name, content in manifest.files.items():
            self.directory.write(name, content.decode())
        values = dict(manifest.values)
        values["outputs"] = [
            {**each, "here": each["name"] in manifest.files} for each in values.get("outputs", [])
        ]
        self.directory.event("remote manifest", status=values.get("status"))
        return replace(self, manifest=values).write()
