"""The addresses of the page, and what each of them answers."""

from __future__ import annotations

import functools
import itertools
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from hybrid_parsl.errors import HybridParslError, UntrustedFileError
from hybrid_parsl.records.run_directory import REPORT
from hybrid_parsl.records.run_list import workflow_name
from hybrid_parsl.records.run_lock import driver_of, state_of
from hybrid_parsl.run_report import STUDY_PAGE
from hybrid_parsl.ui.documents import Documents
from hybrid_parsl.ui.live_progress import JobStates, LiveProgress
from hybrid_parsl.ui.rendering import render, script, style_sheet, tagged
from hybrid_parsl.ui.run_files import inside, read_part, read_start
from hybrid_parsl.ui.run_index import LARGEST_RESULTS, RunIndex
from hybrid_parsl.ui.run_page import (
    BINARY_SUFFIXES,
    TEXT_SUFFIXES,
    experiment_text,
    figures_of,
    other_files,
    run_context,
    whole_number,
)
from hybrid_parsl.ui.run_table import age, run_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from hybrid_parsl.records.run_directory import RunDirectory

_MOST_SVG = 16 * 2**20
_LINK = re.compile(rb'<a href="study\.csv">(study\.csv)</a>')
_SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
)
"""For files of runs: whatever is in them, it is only seen."""
_OFFSET_DIGITS = 18  # fits 64 bits
_READING_MS, _FREQUENT_MS, _RARE_MS = 500, 2500, 10_000
_REPORTS = (REPORT, STUDY_PAGE)


def _guarded(answer: Callable[[Pages, Request], Response]) -> Callable[[Pages, Request], Response]:
    """Return `answer` with a page that says what is wrong instead of each error."""

    @functools.wraps(answer)
    def guarded(self: Pages, request: Request) -> Response:
        try:
            return answer(self, request)
        except FileNotFoundError as error:
            return render(request, "message", 404, title="Not found", message=str(error))
        except OSError as error:
            message = error.strerror or str(error)
            return render(request, "message", 404, title="Cannot be read", message=message)
        except UntrustedFileError as error:
            return render(request, "message", 403, title="Not yours", message=str(error))
        except HybridParslError as error:
            return render(request, "message", 404, title="Cannot be shown", message=str(error))
        except Exception as error:  # noqa: BLE001 - a damaged run may not take the page along
            message = f"{type(error).__name__}: {error}"
            return render(request, "message", 500, title="Cannot be shown", message=message)

    return guarded


class Pages:
    """The pages over one folder of runs.

    Parameters
    ----------
    folder
        The folder of all runs.
    """

    def __init__(self, folder: Path) -> None:
        self.index = RunIndex(folder)
        self._documents = Documents()
        self._progress = LiveProgress()
        self._jobs = JobStates()

    def application(self) -> Starlette:
        """Return the application that answers requests."""
        return Starlette(
            routes=[
                Route("/", self.runs),
                Route("/compare", self.compare),
                Route("/runs/{run}", self.run),
                Route("/runs/{run}/figures/{name}", self.figure),
                Route("/runs/{run}/measures/{name}", self.measure),
                Route("/runs/{run}/report", self.report),
                Route("/runs/{run}/files/{path:path}", self.file),
                Route("/schedules", self.schedules),
                Route("/schedules/{name}", self.schedule),
                Route("/schedules/{name}/trend", self.trend),
                Route("/ui.css", self.style),
                Route("/ui.js", self.script),
                Route("/{path:path}", self.nothing),
            ]
        )

    def close(self) -> None:
        """End the threads."""
        self.index.close()
        self._jobs.close()

    @_guarded
    def runs(self, request: Request) -> Response:
        """Answer with the table of runs."""
        listing = self.index.listing()
        table = run_table(listing.runs, request.query_params)
        now = datetime.now(UTC)
        ages = {run.run: age(run.started, now) for run in table.rows}
        return render(
            request,
            "runs",
            poll_ms=_READING_MS if listing.n_reading else _FREQUENT_MS,
            folder=str(self.index.folder),
            listing=listing,
            table=table,
            ages=ages,
        )

    @_guarded
    def run(self, request: Request) -> Response:
        """Answer with the page of a run."""
        directory = self.index.find(request.path_params["run"])
        path = directory.path
        driver = driver_of(directory.lock)  # first: it may end before the results are read
        common: dict[str, Any] = {"name": path.name, "report": _report_of(path)}
        try:
            document = self._documents.read(directory)
            state = state_of(document.content["run"]["status"], driver)
            state = "remote" if state == "left" and directory.is_remote else state
            shown = run_context(path, document, request.query_params, state, self._progress)
        except HybridParslError as error:
            state = "remote" if directory.is_remote else "unreadable"
            common |= {"state": state, "fault": str(error), "poll_ms": _RARE_MS}
            files, toml = other_files(path, ()), experiment_text(path)
            return render(request, "run", run={}, files=files, toml=toml, **common)
        is_open = state in ("running", "left")
        content = document.content
        return render(
            request,
            "run",
            state=state,
            poll_ms=_FREQUENT_MS if state == "running" else _RARE_MS,
            run=content.get("run") or {},
            driver=str(driver) if driver else None,
            workflow=workflow_name(content),
            error=content.get("error"),
            jobs=self._jobs_of(directory, content) if is_open else [],
            files=other_files(path, list(content.get("tasks") or {})),
            toml=experiment_text(path),
            **common,
            **shown,
        )

    def _jobs_of(self, directory: RunDirectory, content: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the jobs of an unfinished run; those of a local one are its tasks."""
        if (content.get("run") or {}).get("site") == "local":
            return []
        return self._jobs.of(directory.path) or []

    @_guarded
    def file(self, request: Request) -> Response:
        """Answer with a part of a text file of a run, or with all of a table to download."""
        directory = self.index.find(request.path_params["run"])
        parts = request.path_params["path"].split("/")
        path = inside(directory.path, *parts)
        if path.suffix in BINARY_SUFFIXES:
            return _download(path)
        if path.suffix not in TEXT_SUFFIXES:
            raise FileNotFoundError("not a text file of a run")
        start, before = _offset(request, "start"), _offset(request, "before")
        part = read_part(path, start=start, before=before)
        follows = start is None and before is None
        return render(
            request,
            "file",
            run=directory.path.name,
            file="/".join(parts),
            part=part,
            follows=follows,
            poll_ms=_FREQUENT_MS if follows else 0,
        )

    @_guarded
    def figure(self, request: Request) -> Response:
        """Answer with a figure of a run."""
        directory = self.index.find(request.path_params["run"])
        path = inside(directory.path, "figures", f"{request.path_params['name']}.svg")
        return _svg(request, read_start(path, _MOST_SVG))

    @_guarded
    def measure(self, request: Request) -> Response:
        """Answer with a figure of a study, drawn now."""
        document = self._documents.read(self.index.find(request.path_params["run"]))
        return _svg(request, document.study_figure(request.path_params["name"]).encode())

    @_guarded
    def report(self, request: Request) -> Response:
        """Answer with the report that the run has written."""
        directory = self.index.find(request.path_params["run"])
        name = _report_of(directory.path)
        if name is None:
            raise FileNotFoundError("the run has written no report")
        content = read_start(directory.path / name, LARGEST_RESULTS)
        content = _LINK.sub(rb"\1", content)  # from a sandbox it would be another site's
        headers = {"content-security-policy": _SANDBOX}
        return Response(content, media_type="text/html; charset=utf-8", headers=headers)

    @_guarded
    def compare(self, request: Request) -> Response:
        """Answer with what differs between two runs."""
        from hybrid_parsl.records.run_difference import changed_code, compare_runs

        asked = request.query_params
        names = [*filter(None, (asked.get("a"), asked.get("b"))), *asked.getlist("run")]
        if len(names) != 2:  # noqa: PLR2004 - the two
            message = f"choose two runs of the table, not {len(names)}"
            return render(request, "message", 400, title="Compare two runs", message=message)
        directories = [self.index.find(name) for name in names]
        contents = [self._documents.read(each).content for each in directories]
        shown = [
            figures_of(each.path, content)
            for each, content in zip(directories, contents, strict=True)
        ]
        titles = {figure.address: figure.title for figure in itertools.chain(*shown)}
        addresses = [{figure.address for figure in figures} for figures in shown]
        return render(
            request,
            "compare",
            names=names,
            contents=contents,
            difference=compare_runs(*contents),
            code=changed_code(*(each.path for each in directories)),
            titles=titles,
            addresses=addresses,
        )

    @_guarded
    def schedules(self, request: Request) -> Response:
        """Answer with the user's schedules."""
        from hybrid_parsl.schedule.overview import overview

        return render(request, "schedules", rows=overview(), poll_ms=_RARE_MS)

    @_guarded
    def schedule(self, request: Request) -> Response:
        """Answer with the history of a schedule."""
        from hybrid_parsl.report import history_page

        document = _history(request)
        runs = document["runs"]
        own = {run.run for run in self.index.listing().runs}
        rows = [
            {
                **run,
                "tone": history_page.outcome_tone(run["outcome"]),
                "name": Path(run["run"] or "").name,
                "is_here": Path(run["run"] or "").parent == self.index.folder
                and Path(run["run"] or "").name in own,
            }
            for run in reversed(runs[-history_page.MOST_ROWS :])
        ]
        return render(
            request,
            "schedule",
            schedule=document,
            keys=history_page.key_numbers(runs),
            caption=history_page.trend_caption(runs),
            has_trend=history_page.has_trend(runs),
            rows=rows,
            left_out=len(runs) - len(rows),
            poll_ms=_RARE_MS,
        )

    @_guarded
    def trend(self, request: Request) -> Response:
        """Answer with the figure of a schedule's history."""
        from hybrid_parsl.report.trend_figure import draw_trend

        return _svg(request, draw_trend(_history(request)["runs"]).encode())

    def style(self, request: Request) -> Response:
        """Answer with the style sheet."""
        return tagged(request, _cached(style_sheet(), "text/css"))

    def script(self, request: Request) -> Response:
        """Answer with the script."""
        return tagged(request, _cached(script(), "text/javascript"))

    @_guarded
    def nothing(self, request: Request) -> Response:
        """Answer that there is no such page."""
        raise FileNotFoundError(f"no such page: {request.url.path}")


def _history(request: Request) -> dict[str, Any]:
    """Return the history of the schedule in an address."""
    from hybrid_parsl.schedule.definition import definition_files
    from hybrid_parsl.schedule.overview import history_of

    name = request.path_params["name"]
    if name not in definition_files():  # not any path of a file
        raise FileNotFoundError("no such schedule")
    return history_of(name)


def _svg(request: Request, content: bytes) -> Response:
    """Return a figure, which is only seen whatever is in it."""
    headers = {"content-security-policy": _SANDBOX, "cache-control": "private, no-cache"}
    return tagged(request, Response(content, media_type="image/svg+xml", headers=headers))


def _download(path: Path) -> Response:
    """Return a file that a browser saves."""
    headers = {
        "content-security-policy": _SANDBOX,
        "content-disposition": f'attachment; filename="{path.name}"',
    }
    content = read_start(path, LARGEST_RESULTS + 1)
    if len(content) > LARGEST_RESULTS:
        raise FileNotFoundError("too large to be downloaded from here")
    return Response(content, media_type="application/octet-stream", headers=headers)


def _cached(content: str, kind: str) -> Response:
    """Return a file of the page itself, which browsers keep: its address changes when it does."""
    headers = {"cache-control": "private, max-age=31536000, immutable"}
    return Response(content, media_type=kind, headers=headers)


def _report_of(run: Path) -> str | None:
    """Return the name of the report in the folder of a run."""
    return next((name for name in _REPORTS if (run / name).is_file()), None)


def _offset(request: Request, name: str) -> int | None:
    """Return an offset in the address; None if it is not a number."""
    return whole_number(request.query_params.get(name, ""), _OFFSET_DIGITS)
