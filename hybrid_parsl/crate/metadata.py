"""``ro-crate-metadata.json`` of a run: Provenance Run Crate 0.5, in RO-Crate 1.1.

The profile includes Process Run Crate and Workflow Run Crate 0.5, and Workflow RO-Crate 1.0:
https://www.researchobject.org/workflow-run-crate/profiles/provenance_run_crate/
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hybrid_parsl.crate.code import CODE, WORKFLOWS
from hybrid_parsl.crate.contents import (
    CIRCUITS,
    EVENTS,
    EXPERIMENT,
    FIGURES,
    METADATA,
    VERSIONS,
    Contents,
    contents_of,
)
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.records.models import PROBLEM, SiteRecord
from hybrid_parsl.records.run_difference import flat
from hybrid_parsl.records.run_directory import REPORT, RESULTS
from hybrid_parsl.run_report import STUDY_CSV, STUDY_PAGE, STUDY_PARQUET
from hybrid_parsl.secret_names import masked
from hybrid_parsl.study_points import FILE as POINTS
from hybrid_parsl.study_points import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from rocrate.rocrate import ROCrate

    from hybrid_parsl.records.run_directory import RunDirectory

    Entity = dict[str, Any]

NO_LICENSE = "No license was specified for this run."
_WORKFLOW_CRATE = {
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0")
}
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    **_WORKFLOW_CRATE,
}
_PROVENANCE = {"https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5")}
_TERMS = "https://w3id.org/ro/terms/workflow-run#"
_USED_TERMS = ("ContainerImage", "containerImage", "resourceUsage", "sha256")
_BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_PYTHON = "https://www.python.org/"
_RUN, _ENGINE = "#run", "#engine"
_MOST_TASKS, _MOST_CIRCUITS, _LONGEST = 100, 100, 500
_TASK_NAME = re.compile(r"\w[\w.=+-]{0,199}")
"""The name of a function or the one of a call, with the number of its point and of the call."""
_MEDIA_TYPES = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
    "py": "text/x-python",
    "sh": "text/x-shellscript",
    "svg": "image/svg+xml",
    "toml": "application/toml",
    "yaml": "application/yaml",
}
_NAMES = {
    EXPERIMENT: "The experiment with all defaults",
    POINTS: "The values of each point of the study",
    RESULTS: "Results of all tasks",
    REPORT: "Report",
    STUDY_CSV: "Table of the points",
    STUDY_PARQUET: "Table of the points",
    STUDY_PAGE: "Report of the study",
    VERSIONS: "Versions of the software",
    EVENTS: "Log of events",
    WORKFLOWS: "Workflows of the project",
}
_TYPES = {bool: "Boolean", int: "Integer", float: "Float", str: "Text"}


def write_crate(
    directory: RunDirectory,
    document: Mapping[str, Any],
    license: str = NO_LICENSE,  # noqa: A002 - as the key is called
    author: str | None = None,
) -> Path:
    """Write ``ro-crate-metadata.json`` of a run that has ended, and its circuits; return its path.

    Parameters
    ----------
    directory
        The run.
    document
        Its results.
    license
        The license of what the run has left: a URL or a text.
    author
        The name of who made the run.

    Raises
    ------
    ConfigurationError
        If the folder lacks the code of the workflow.
    StorageError
        If a file cannot be written.
    """
    if not (directory.path / WORKFLOWS).is_file():
        message = "lacks the code of its workflow, as runs of older versions do"
        raise ConfigurationError(message, str(directory.path), found=f"no {WORKFLOWS}")
    for name, text in _circuits(document).items():
        directory.write(name, text)
    return directory.write_json(
        METADATA, metadata(directory, document, contents_of(directory.path), license, author)
    )


def metadata(
    directory: RunDirectory,
    document: Mapping[str, Any],
    contents: Contents,
    license: str = NO_LICENSE,  # noqa: A002 - as above
    author: str | None = None,
) -> dict[str, Any]:
    """Return the content of ``ro-crate-metadata.json``; see `write_crate`."""
    site = directory.read_record("site.json", SiteRecord)
    return _Description(document, contents, site, license, author).build()


def _circuits(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the circuits of tasks in OpenQASM 3 by the names of their files; 100 at most.

    Tasks whose names no call can have are left out.
    """
    found = {}
    for name, task in (document.get("tasks") or {}).items():
        circuit = _table(_table(task.get("result")).get("circuit"))
        if circuit and _TASK_NAME.fullmatch(name):
            found[f"{CIRCUITS}/{name}.qasm"] = str(circuit.get("qasm3") or "")
        if len(found) == _MOST_CIRCUITS:
            break
    return found


class _Description:
    """Collects the entities that describe a run."""

    def __init__(
        self,
        document: Mapping[str, Any],
        contents: Contents,
        site: Mapping[str, Any],
        license_text: str,
        author: str | None,
    ) -> None:
        from rocrate.rocrate import ROCrate

        self._crate: ROCrate = ROCrate(version="1.1")
        self._crate.metadata.extra_terms = {each: f"{_TERMS}{each}" for each in _USED_TERMS}
        self._document = document
        self._run = document["run"]
        self._versions: dict[str, str] = document.get("versions") or {}
        self._contents = contents
        self._site = site
        self._license = license_text
        self._author = author
        self._notes = list(contents.left_out)
        self._steps: dict[str, Entity] = {}
        self._task_results: dict[str, list[Entity]] = {}

    def build(self) -> dict[str, Any]:
        """Return the document with all entities."""
        for name in self._contents.files:
            if name != WORKFLOWS:
                self._add_file(name)
        inputs = self._parameters()
        tasks = [self._task(name, task) for name, task in self._tasks.items()]
        self._workflow(inputs)
        self._run_actions(inputs, tasks)
        self._root([_id("task", name) for name in self._tasks], has_steps=bool(tasks))
        generated: dict[str, Any] = self._crate.metadata.generate()
        return generated

    @cached_property
    def _tasks(self) -> dict[str, Any]:
        """The tasks that have begun; of more than 100, the first ones."""
        begun = {
            name: task
            for name, task in (self._document.get("tasks") or {}).items()
            if task.get("started") or task.get("status") == "completed"
        }
        if len(begun) <= _MOST_TASKS:
            return begun
        self._notes.append(
            f"Only the first {_MOST_TASKS} of {len(begun)} tasks are described one by one; "
            f"{RESULTS} holds all of them."
        )
        return dict(list(begun.items())[:_MOST_TASKS])

    def _add(self, identifier: str, kind: str | list[str], /, **properties: Any) -> Entity:
        """Add an entity, but for properties without a value; return a reference to it."""
        from rocrate.model.contextentity import ContextEntity

        self._crate.add(ContextEntity(self._crate, identifier, _plain(kind, properties)))
        return {"@id": identifier}

    def _add_file(self, name: str, kind: str | list[str] = "File", /, **properties: Any) -> Entity:
        """Add a file of the run; return a reference to it."""
        from rocrate.model.file import File

        file = self._contents.files[name]
        properties = {
            "name": _NAMES.get(name, name),
            "contentSize": str(file.size),
            "sha256": file.sha256,
            "encodingFormat": _MEDIA_TYPES.get(name.rpartition(".")[2], "text/plain"),
            **properties,
        }
        if name in (EXPERIMENT, RESULTS):
            properties["exampleOfWork"] = _local("parameter", name)
        added = self._crate.add(File(self._crate, None, name, properties=_plain(kind, properties)))
        return {"@id": added.id}

    def _files(self, names: Iterable[str]) -> list[Entity]:
        """Return references to those of some files that are part of the crate."""
        return [{"@id": quote(name)} for name in names if name in self._contents.files]

    def _value(self, identifier: str, name: str, value: Any, /, **properties: Any) -> Entity:
        """Add a value with a name; return a reference to it."""
        text = value if isinstance(value, str | int | float) else json.dumps(value)
        return self._add(identifier, "PropertyValue", name=name, value=text, **properties)

    def _parameters(self) -> list[Entity]:
        """Add the parameters of the experiment; return references to their values.

        Those longer than 500 characters, such as the edges of a graph, are in the file only.
        """
        experiment = masked(flat(self._document.get("experiment") or {}))
        values = []
        for key, value in experiment.items():
            if len(json.dumps(value)) > _LONGEST:
                continue
            formal = self._add(
                _id("parameter", key),
                "FormalParameter",
                name=key,
                additionalType=_TYPES.get(type(value), "Text"),
                workExample=_local("value", key),
            )
            values.append(self._value(_id("value", key), key, value, exampleOfWork=formal))
        for name in (EXPERIMENT, RESULTS):
            self._add(
                _id("parameter", name),
                "FormalParameter",
                name=name,
                additionalType="File",
                workExample={"@id": name},
            )
        return values

    def _site_values(self) -> list[Entity]:
        """Add where the run was made and the fingerprint of its own code."""
        known = {"site": self._run.get("site"), "platform": self._versions.get("platform")}
        values = [self._value(f"#{key}", key, value) for key, value in known.items() if value]
        settings = masked(self._site.get("settings") or {})
        values += [
            self._value(_id("site", key), f"site setting {key}", value)
            for key, value in settings.items()
            if value not in (None, "", [], {})
        ]
        if PROBLEM in self._versions:
            words = "fingerprint of problem and optimiser"
            values.append(self._value("#fingerprint", words, self._versions[PROBLEM]))
        return values

    def _image(self) -> Entity | None:
        """Add the container image of the site, if it has one."""
        image = masked(self._site.get("settings") or {}).get("image")
        if not isinstance(image, str) or not image:
            return None
        kind = "SIFImage" if image.endswith(".sif") else "DockerImage"
        return self._add(
            "#image", "ContainerImage", name=image, additionalType={"@id": f"{_TERMS}{kind}"}
        )

    def _software(self) -> list[Entity]:
        """Add the packages that were used, each with its version."""
        return [
            self._add(
                _package(name, version), "SoftwareApplication", name=name, softwareVersion=version
            )
            for name, version in self._versions.items()
            if name not in ("platform", PROBLEM)
        ]

    def _workflow(self, inputs: list[Entity]) -> None:
        """Add the workflow with its parameters, steps and tools."""
        asked = (self._document.get("experiment") or {}).get("workflow") or {}
        steps = list(self._steps)
        formal = [{"@id": each["@id"].replace("#value-", "#parameter-", 1)} for each in inputs]
        self._add(_PYTHON, "ComputerLanguage", name="Python", version=self._versions.get("python"))
        self._add_file(
            WORKFLOWS,
            ["File", "SoftwareSourceCode", "ComputationalWorkflow", *(["HowTo"] if steps else [])],
            name=f"Workflow {asked.get('name', 'pipeline')}",
            version=self._contents.files[WORKFLOWS].sha256[:16],
            programmingLanguage={"@id": _PYTHON},
            conformsTo=self._add(
                _BIOSCHEMAS, "CreativeWork", name="ComputationalWorkflow", version="1.0-RELEASE"
            ),
            input=[*formal, _local("parameter", EXPERIMENT)],
            output=_local("parameter", RESULTS),
            softwareRequirements=self._software(),
            step=[{"@id": each} for each in steps],
            hasPart=_unique(self._steps.values()),
        )
        self._crate.mainEntity = self._crate.dereference(WORKFLOWS)

    def _step(self, name: str, function: str) -> Entity:
        """Add the step of the workflow that a task belongs to; return a reference to it.

        The tasks of a study's points have the number of their point before the name of the step.
        """
        if self._document.get(TABLE):
            name = name.partition(".")[2] or name
        identifier, tool = _id("step", f"{name}-{function}"), _id("tool", function)
        if identifier in self._steps:
            return {"@id": identifier}
        if not self._crate.dereference(tool):
            package = function.partition(".")[0] == "hybrid_parsl"
            version = self._versions.get("hybrid-parsl") if package else None
            self._add(tool, "SoftwareApplication", name=function, softwareVersion=version)
        self._steps[identifier] = {"@id": tool}
        position = str(len(self._steps))
        return self._add(
            identifier, "HowToStep", name=name, position=position, workExample={"@id": tool}
        )

    def _task(self, name: str, task: Mapping[str, Any]) -> Entity:
        """Add what a task did and the control of its step; return a reference to the latter."""
        function = str(task.get("function") or name)
        step, result = self._step(name, function), _table(task.get("result"))
        earlier = [each for task in task.get("after") or () for each in self._made(task)]
        reused = task.get("reused_from")
        hosts = task.get("host") or []
        self._add(
            _id("task", name),
            "CreateAction",
            name=f"Task {name}",
            description=f"Call of {function}" + (f"; reused from run {reused}" if reused else ""),
            instrument=_local("tool", function),
            startTime=_time(task.get("started")),
            endTime=_time(task.get("finished")),
            agent=self._agent(),
            object=[*self._files([EXPERIMENT]), *earlier, *self._backend(name, result)],
            result=[*self._files([RESULTS]), *self._made(name), *self._files_of_task(name)],
            location=[self._host(each) for each in ([hosts] if isinstance(hosts, str) else hosts)],
            identifier=self._job(name, task),
            resourceUsage=self._usage(name, task, result),
            containerImage={"@id": "#image"} if self._image() else None,
            **_status(task.get("status"), task.get("error")),
        )
        return self._add(
            _id("control", name),
            "ControlAction",
            name=f"Control of task {name}",
            instrument=step,
            object=_local("task", name),
        )

    def _made(self, name: str) -> list[Entity]:
        """Return what a task has found besides its entry in the results; added at first."""
        if name in self._task_results:
            return self._task_results[name]
        task = (self._document.get("tasks") or {}).get(name) or {}
        result = _table(task.get("result"))
        found = self._files([f"{CIRCUITS}/{name}.qasm"])
        found += self._files(f"figures/{file}.svg" for file in _table(task.get("figures")).values())
        for key in ("energy", "standard_error"):
            if isinstance(result.get(key), int | float):
                words = f"{key.replace('_', ' ')} of task {name}"
                found.append(self._value(_id(key, name), words, result[key]))
        self._task_results[name] = found
        return found

    def _files_of_task(self, name: str) -> list[Entity]:
        """Return the logs and job records of a task."""
        return self._files(self._contents.below(f"tasks/{name}"))

    def _backend(self, name: str, result: Mapping[str, Any]) -> list[Entity]:
        """Add the quantum backend of a task, with the time of its calibration where known."""
        backend, device = result.get("backend"), _table(result.get("transpiled"))
        known = {"backend": backend, "calibration time": device.get("calibrated")}
        return [
            self._value(_id(words.replace(" ", "-"), name), words, value)
            for words, value in known.items()
            if value
        ]

    def _host(self, host: str) -> Entity:
        """Add a host; return a reference to it."""
        return self._add(_id("host", host), "Place", name=host)

    def _job(self, name: str, task: Mapping[str, Any]) -> list[Entity]:
        """Add the ids of the jobs of a task: of the scheduler or cluster, and of the QPU."""
        qpu = _table(task.get("result")).get("job_id")
        ids = {"job": task.get("job"), "QPU job": qpu}
        return [
            self._value(_id(words.replace(" ", "-"), name), f"id of the {words}", value)
            for words, value in ids.items()
            if value
        ]

    def _usage(self, name: str, task: Mapping[str, Any], result: Mapping[str, Any]) -> list[Entity]:
        """Add the time and the ranks of a task, and what the QPU charged."""
        second = "http://qudt.org/vocab/unit/SEC"
        ranks = _table(result.get("execution")).get("n_ranks")
        used = {
            "duration_s": (task.get("duration_s"), second),
            "qpu_usage_s": (result.get("usage_s"), second),
            "n_ranks": (ranks, "http://qudt.org/vocab/unit/NUM"),
        }
        return [
            self._value(_id(key, name), key, value, propertyID=key, unitCode=unit)
            for key, (value, unit) in used.items()
            if value is not None
        ]

    def _agent(self) -> Entity | None:
        """Add who made the run, if that was specified."""
        if self._author is None:
            return None
        return self._add("#author", "Person", name=self._author)

    def _run_actions(self, inputs: list[Entity], controls: list[Entity]) -> None:
        """Add the run, and the engine that has orchestrated its tasks."""
        error = _table(self._document.get("error"))
        contents = self._contents
        started, finished = (_time(self._run.get(key)) for key in ("started", "finished"))
        times = {"startTime": started, "endTime": finished}
        ended = _status(self._run.get("status"), error.get("message"))
        used = (EXPERIMENT, POINTS, *contents.below(CODE), *contents.below("tasks/.psij"))
        made = (REPORT, STUDY_CSV, STUDY_PARQUET, STUDY_PAGE, EVENTS)
        other = [*contents.below(CIRCUITS), *contents.below(FIGURES)]
        self._add(
            _RUN,
            "CreateAction",
            name=f"Run {self._run.get('id')}",
            description=f"Run of {self._run.get('name')} on site {self._run.get('site')}",
            instrument={"@id": WORKFLOWS},
            agent=self._agent(),
            object=[*self._files(sorted({*used} - {WORKFLOWS})), *inputs, *self._site_values()],
            result=self._files((RESULTS, *made, *other)),
            containerImage=self._image(),
            **times,
            **ended,
        )
        if controls:
            version = self._versions.get("parsl", "")
            self._add(
                _ENGINE,
                "OrganizeAction",
                name=f"Parsl orchestrates run {self._run.get('id')}",
                instrument={"@id": _package("parsl", version)},
                agent=self._agent(),
                object=controls,
                result={"@id": _RUN},
                **times,
                **ended,
            )

    def _root(self, tasks: list[str], *, has_steps: bool) -> None:
        """Describe the crate itself."""
        root, run = self._crate.root_dataset, self._run
        study = _table(self._document.get(TABLE)).get("points")
        what = f"study of {len(study)} points" if study else "run"
        words = f"A {what} of {run.get('name')} by hybrid-parsl on site {run.get('site')}."
        profiles = {**_PROFILES, **(_PROVENANCE if has_steps else {})}
        properties = {
            "name": f"{run.get('name')}: run {run.get('id')}",
            "description": " ".join([words, f"Status: {run.get('status')}.", *self._notes]),
            "datePublished": run.get("finished") or run.get("started"),
            "license": self._add(self._license, "CreativeWork", name=self._license)
            if self._license.startswith(("http://", "https://"))
            else self._license,
            "author": self._agent(),
            "conformsTo": [
                self._add(url, "CreativeWork", name=name, version=version)
                for url, (name, version) in profiles.items()
            ],
            "mentions": [
                {"@id": each} for each in (_RUN, *([_ENGINE] if has_steps else []), *tasks)
            ],
        }
        for key, value in _without_nothing(properties).items():
            root[key] = value
        versions = [self._crate.metadata.profile, *_WORKFLOW_CRATE]
        self._crate.metadata["conformsTo"] = [{"@id": each} for each in versions]


def _status(status: Any, error: Any) -> dict[str, Any]:
    """Return status and error of an action."""
    if status == "completed":
        return {"actionStatus": "http://schema.org/CompletedActionStatus"}
    words = masked(str(error or status))
    return {"actionStatus": "http://schema.org/FailedActionStatus", "error": words}


def _time(value: Any) -> str | None:
    """Return a time in UTC in the form that the profile recommends."""
    return value.removesuffix("Z") + "+00:00" if isinstance(value, str) else None


def _package(name: str, version: str) -> str:
    """Return the package URL of a package of Python's, or of Python."""
    kind = "generic" if name == "python" else "pypi"
    return f"pkg:{kind}/{name}@{quote(version)}"


def _id(kind: str, name: str) -> str:
    """Return the identifier of an entity that is no file."""
    return f"#{kind}-{quote(name, safe=':/')}"


def _local(kind: str, name: str) -> Entity:
    """Return a reference to an entity that is no file."""
    return {"@id": _id(kind, name)}


def _plain(kind: str | list[str], properties: Mapping[str, Any]) -> Entity:
    """Return the properties of an entity; one value in a list stands by itself."""
    return {"@type": kind, **_without_nothing(properties)}


def _without_nothing(properties: Mapping[str, Any]) -> Entity:
    """Return properties but for those without a value; lists of one value are that value."""
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in properties.items()
        if value not in (None, [])
    }


def _unique(references: Iterable[Entity]) -> list[Entity]:
    """Return references, each once."""
    return [{"@id": each} for each in dict.fromkeys(each["@id"] for each in references)]


def _table(value: Any) -> dict[str, Any]:
    """Return a table, an empty one for anything else."""
    return value if isinstance(value, dict) else {}
