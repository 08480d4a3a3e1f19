"""Runs and studies from Python: scripts and notebooks.

>>> from hybrid_parsl import run
>>> found = run({"name": "x", "problem": {"kind": "bell"}}, progress=False)  # doctest: +SKIP
>>> found.quantum.counts  # doctest: +SKIP
{'00': 2041, '11': 2055}
"""

from __future__ import annotations

import contextlib
import threading
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.project import Project
    from hybrid_parsl.report.study_table import StudyTable
    from hybrid_parsl.results import Analysis, Sample, SearchResult

_one_at_a_time = threading.Lock()  # Parsl has one session in a process


@dataclass(frozen=True)
class RunResult:
    """What a run has left in its folder, as far as it came.

    Attributes
    ----------
    path
        The folder.
    document
        The content of ``results.json``.
    """

    path: Path
    document: dict[str, Any]

    @property
    def status(self) -> str:
        """``completed``, ``failed``, ``interrupted``, ``running``, or ``left`` without a driver."""
        from hybrid_parsl.records.run_lock import driver_of, state_of

        return state_of(self.document["run"]["status"], driver_of(self.path / "driver.lock"))

    @property
    def experiment(self) -> Experiment:
        """The experiment with all defaults; that of the first point of a study."""
        from hybrid_parsl.experiment_file import parse_experiment

        return parse_experiment(self.document["experiment"], source=str(self.path))

    @cached_property
    def results(self) -> dict[str, Any]:
        """The result of each task that has completed, by the name of the task.

        Results of this package have their types, such as `hybrid_parsl.results.SearchResult`;
        those of other functions are what JSON holds of them.
        """
        tasks = self.document.get("tasks") or {}
        return {
            name: _typed(task["type"], task["result"], self._figures_of(task))
            for name, task in tasks.items()
            if task.get("status") == "completed"
        }

    @property
    def search(self) -> SearchResult:
        """The result of the task ``search``.

        Raises
        ------
        KeyError
            If that task has not completed. `quantum` and `analysis` raise it likewise.
        """
        found: SearchResult = self._result_of("search")
        return found

    @property
    def quantum(self) -> Sample:
        """The result of the task ``quantum``."""
        found: Sample = self._result_of("quantum")
        return found

    @property
    def analysis(self) -> Analysis:
        """The result of the task ``analysis``."""
        found: Analysis = self._result_of("analysis")
        return found

    @cached_property
    def figures(self) -> dict[str, str]:
        """The figures, SVG text by the names of their files."""
        from hybrid_parsl.records.run_directory import RunDirectory

        return RunDirectory(self.path).read_figures()

    @property
    def report(self) -> Path:
        """The page of the run, written if it is missing."""
        from hybrid_parsl.records.run_directory import RunDirectory
        from hybrid_parsl.run_report import page_of, write_report

        page = self.path / page_of(self.document)
        return page if page.is_file() else write_report(RunDirectory(self.path), self.document)

    def export(
        self,
        path: str | PathLike[str],
        *,
        license: str | None = None,  # noqa: A002 - as the key is called
        author: str | None = None,
        force: bool = False,
    ) -> Path:
        """Write the run with its provenance into a zip, an RO-Crate; return the path of the zip.

        Parameters
        ----------
        path
            The zip.
        license
            The license of the results: a URL or a text.
        author
            The name of who made the run.
        force
            Whether to replace a file that exists.

        Raises
        ------
        ConfigurationError
            If the run has not ended, or the file exists.
        """
        from hybrid_parsl.crate.export import export_run
        from hybrid_parsl.records.run_directory import RunDirectory

        directory = RunDirectory(self.path)
        return export_run(directory, Path(path), license=license, author=author, force=force)

    def _result_of(self, name: str) -> Any:
        """Return the result of a task; a KeyError lists those that there are."""
        if name not in self.results:
            known = ", ".join(self.results) or "none"
            message = f"no task {name} has completed in {self.path.name}; results: {known}"
            raise KeyError(message)
        return self.results[name]

    def _figures_of(self, task: Mapping[str, Any]) -> dict[str, str]:
        """Return the figures of a task, by the names that it gave them."""
        names = task.get("figures") or {}
        return {name: self.figures.get(file, "") for name, file in names.items()}

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the summary."""
        from hybrid_parsl.cli.summary import summary_rows

        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'><pre style='margin:0'>{escape(value)}</pre></td></tr>"
            for name, value in summary_rows(self.document)
        )
        return f"<table>{rows}</table>"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path.name}: {self.status}>"


@dataclass(frozen=True, repr=False)
class StudyResult(RunResult):
    """What a study has left in its folder, as far as it came."""

    @cached_property
    def table(self) -> StudyTable:
        """A row for each point: its values, its status, and the numbers of its results."""
        from hybrid_parsl.report.study_table import study_table

        return study_table(self.document)

    def point(self, which: int | str | Mapping[str, Any]) -> dict[str, Any]:
        """Return the results of the tasks of a point that have completed, by the task's own name.

        A task that points share has its result in each of them.

        Parameters
        ----------
        which
            The number of the point, counted from 0, or its name, or values of swept keys that only
            one point has, such as ``{"ansatz.layers": 2}``.

        Raises
        ------
        ConfigurationError
            If there is no such point, or more than one.
        """
        points = self.document["study"]["points"]
        if isinstance(which, Mapping):
            asked = {key: _plain(each) for key, each in which.items()}
            found = [each for each in points if {**each["values"], **asked} == each["values"]]
        else:
            name = str(which).zfill(len(points[0]["name"]))
            found = [each for each in points if each["name"] == name]
        if len(found) != 1:
            message = f"names {len(found)} points" if found else "names no point"
            keys = ", ".join(self.document["study"]["keys"])
            valid = f"0 to {len(points) - 1}, or values of {keys} that one point has"
            raise ConfigurationError(message, "point()", None, repr(which)[:60], valid)
        tasks = found[0].get("tasks") or {}
        return {local: self.results[name] for local, name in tasks.items() if name in self.results}

    def to_pandas(self) -> Any:
        """Return the table as a data frame of pandas.

        Raises
        ------
        ConfigurationError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            message = "needs pandas"
            raise ConfigurationError(
                message, "to_pandas()", valid="pip install 'hybrid-parsl[study]'"
            ) from error
        return pd.DataFrame(self.table.rows, columns=self.table.columns)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the first points, the summary, and the first figure."""
        excerpt = self.table.excerpt()
        head = "".join(f"<th>{escape(name)}</th>" for name in excerpt.head)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
            for row in excerpt.rows
        )
        more = f"<p>and {excerpt.n_more} more: study.csv</p>" if excerpt.n_more else ""
        points = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"
        return points + super()._repr_html_() + self._first_figure()

    def _first_figure(self) -> str:
        """Return the figure of the first measure as an image of HTML; nothing without one."""
        from hybrid_parsl.report.study_figure import draw_measure
        from hybrid_parsl.report.study_roles import roles

        shown = self.table.interesting(1)
        if not shown or not self.table.keys:
            return ""
        svg = draw_measure(self.table, shown[0], roles(self.table))
        data = b64encode(svg.encode()).decode()
        return f'<img alt="{escape(shown[0])}" src="data:image/svg+xml;base64,{data}">'


def run(
    experiment: str | PathLike[str] | Mapping[str, Any] | Experiment,
    *,
    site: str = "local",
    settings: Mapping[str, Any] | None = None,
    workflow: str | None = None,
    runs: str | PathLike[str] = "runs",
    project: str | PathLike[str] | None = None,
    on_failure: Literal["drain", "keep-going", "fail-fast"] = "drain",
    cache: bool | None = None,
    progress: bool = True,
) -> RunResult:
    """Run an experiment, as ``hybrid-parsl run`` does, and return its results.

    An experiment with a table ``[sweep]`` is a study, whose result is a `StudyResult`. One run at a
    time is driven by a process: a call in another thread waits.

    Parameters
    ----------
    experiment
        A TOML file, the name of one of the project's experiments, the content of such a file, or an
        `Experiment`.
    site
        A site of the project or of a plug-in, or the path of a site file.
    settings
        Settings of the site by name.
    workflow
        The workflow to run; that of the experiment if left out.
    runs
        The folder of all runs.
    project
        The project folder; found as on the command line if left out.
    on_failure
        What a failed task means for the others.
    cache
        Whether to reuse results of earlier runs in `runs`, and to store those of this one: by
        default, unless the environment variable ``HYBRID_PARSL_CACHE`` is 0.
    progress
        Whether to show what happens: as lines, or as a table in a notebook.

    Raises
    ------
    HybridParslError
        If the experiment or the site cannot be used, or a task failed; what was finished is in the
        newest folder in `runs`, and `load_run` returns it.
    """
    from hybrid_parsl.cli.display import Display, PlainDisplay
    from hybrid_parsl.cli.notebook_display import NotebookDisplay, is_notebook
    from hybrid_parsl.records.run_directory import RunDirectory
    from hybrid_parsl.reuse.store import reuses_results
    from hybrid_parsl.run_plan import plan_run
    from hybrid_parsl.runner import OnFailure, Run
    from hybrid_parsl.sweep import value_text

    if on_failure not in get_args(OnFailure):
        message, valid = "is no policy", ", ".join(get_args(OnFailure))
        raise ConfigurationError(message, "run()", "on_failure", repr(on_failure), valid)
    found = _project(project)
    folder = Path(runs)
    given = [f"{key}={value_text(value)}" for key, value in (settings or {}).items()]
    with _one_at_a_time:
        plan = plan_run(_content(experiment), site, found, (), given, folder, workflow)
        directory = RunDirectory.create(folder, plan.experiment.name)
        begun = Run(
            plan.experiment,
            found,
            plan.site,
            directory,
            on_failure=on_failure,
            cache=reuses_results(cache),
            points=plan.points,
        )
        shown = NotebookDisplay if is_notebook() else PlainDisplay
        display = shown(begun) if progress else Display(begun)
        with display:
            document = begun.execute(display)
    return _result(directory.path, document)


def study(
    experiment: str | PathLike[str] | Mapping[str, Any] | Experiment,
    sweep: Mapping[str, Sequence[Any] | Mapping[str, Any]],
    **options: Any,
) -> StudyResult:
    """Run an experiment with each combination of values of some keys.

    Parameters
    ----------
    experiment
        As for `run`.
    sweep
        The values of each dotted key, such as ``{"ansatz.layers": [1, 2]}``: they are added to the
        table ``[sweep]`` of the experiment, or replace the same keys of it.
    options
        Those of `run`.

    Raises
    ------
    HybridParslError
        As for `run`. A failed point does not stop the others.
    """
    from hybrid_parsl.experiment_file import read_table

    content = _content(experiment)
    if isinstance(content, str):
        content = read_table(_project(options.get("project")).experiment_path(content))
    if not hasattr(sweep, "items"):
        message, valid = "should be a table of values", '{"ansatz.layers": [1, 2]}'
        raise ConfigurationError(message, "study()", "sweep", repr(sweep)[:60], valid)
    table = {**content.get("sweep", {}), **{key: _plain(each) for key, each in sweep.items()}}
    result = run({**content, "sweep": table}, **options)
    if not isinstance(result, StudyResult):
        message = "has no points"
        raise ConfigurationError(message, "study()", "sweep")
    return result


def load_run(path: str | PathLike[str], runs: str | PathLike[str] = "runs") -> RunResult:
    """Return what a run has left, a `StudyResult` for a study.

    Parameters
    ----------
    path
        Its folder, its name, a part of it, or ``latest``.
    runs
        The folder of all runs.

    Raises
    ------
    ConfigurationError
        If there is no such run, or its results cannot be read.
    UntrustedFileError
        If other users own it or can write it.
    """
    from hybrid_parsl.records.run_directory import RunDirectory

    directory = RunDirectory.find(Path(runs), str(path), lambda _: None)
    return _result(directory.path, directory.read_results())


def _result(path: Path, document: dict[str, Any]) -> RunResult:
    """Return the results of a run."""
    return StudyResult(path, document) if document.get("study") else RunResult(path, document)


def _content(experiment: Any) -> str | Mapping[str, Any]:
    """Return an experiment as `plan_run` takes it.

    Raises
    ------
    ConfigurationError
        If it is of another type.
    """
    from os import PathLike, fspath

    from hybrid_parsl.experiment import Experiment

    if isinstance(experiment, Experiment):
        content = experiment.model_dump(mode="json", exclude_none=True)
        analysis = experiment.analysis.model_dump(mode="json", exclude_defaults=True)
        return {**content, "analysis": analysis}  # a study has other defaults
    if isinstance(experiment, PathLike):
        return str(fspath(experiment))
    if isinstance(experiment, str | Mapping):
        return experiment
    valid = "a file, a name, the content of a file, or an Experiment"
    found = f"{type(experiment).__name__}: {experiment!r}"[:60]
    raise ConfigurationError("is no experiment", "run()", "experiment", found, valid)


def _project(path: str | PathLike[str] | None) -> Project:
    """Return the project in a folder; as the command line finds it if None."""
    from hybrid_parsl.project import find_project

    return find_project(None if path is None else Path(path))


def _plain(values: Any) -> Any:
    """Return values as TOML has them: those of arrays and ranges are lists."""
    if hasattr(values, "tolist"):  # of NumPy, pandas, ...
        return values.tolist()
    if isinstance(values, range | tuple | list):
        return [_plain(each) for each in values]
    return dict(values) if isinstance(values, Mapping) else values


def _typed(kind: str, result: Any, figures: Mapping[str, str]) -> Any:
    """Return a result with its type, if it is one of this package."""
    from hybrid_parsl import results
    from hybrid_parsl.result_view import type_name

    types = (results.SearchResult, results.Sample, results.Analysis, results.Bitstrings)
    known = {type_name(each): each for each in (*types, results.Diagonalization)}
    if kind not in known or not isinstance(result, dict):
        return result
    model = known[kind]
    values = {**result, "figures": dict(figures)} if "figures" in model.model_fields else result
    with contextlib.suppress(ValueError):  # of another version
        return model.model_validate(values)
    return result
