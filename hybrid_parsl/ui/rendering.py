"""Turns what pages show into HTML, in which all text of runs is escaped."""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response

from hybrid_parsl.messages import escape_controls
from hybrid_parsl.report import text
from hybrid_parsl.report.page import templates_of
from hybrid_parsl.ui.task_graph import task_tone

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.requests import Request


@functools.cache
def templates() -> Environment:
    """Return the templates of the pages."""
    environment = templates_of("hybrid_parsl.ui")
    environment.finalize = _finalized
    environment.globals["asset_tag"] = asset_tag
    environment.filters.update(
        part=_part,
        several=text.several,
        toml=text.toml,
        tone=run_tone,
    )
    return environment


def warm_up() -> None:
    """Compile the template of the first page, so that its first request is quick, too."""
    templates().get_template("runs.html.j2")


def render(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """Return a page; only its tag if the browser has the same page already."""
    page = templates().get_template(f"{template}.html.j2").render(request=request, **context)
    return tagged(request, HTMLResponse(page, status))


def tagged(request: Request, response: Response) -> Response:
    """Return a response with the tag of its content, or 304 if the browser has that already.

    Both have the same policy: that of a 304 replaces the one which the browser has kept.
    """
    tag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:24]}"'
    response.headers["etag"] = tag
    if request.headers.get("if-none-match") != tag:
        return response
    kept = ("etag", "cache-control", "content-security-policy")
    headers = {name: value for name, value in response.headers.items() if name in kept}
    return Response(status_code=304, headers=headers)


@functools.cache
def style_sheet() -> str:
    """Return the style of the report, and what the pages add to it."""
    report = files("hybrid_parsl.report").joinpath("page.css").read_text("utf-8")
    return report + files("hybrid_parsl.ui").joinpath("ui.css").read_text("utf-8")


@functools.cache
def script() -> str:
    """Return the script of the pages."""
    return files("hybrid_parsl.ui").joinpath("ui.js").read_text("utf-8")


@functools.cache
def asset_tag() -> str:
    """Return what changes when the style sheet or the script does."""
    return hashlib.sha256((style_sheet() + script()).encode()).hexdigest()[:12]


def run_tone(state: object) -> str:
    """Return the tone of a run's state."""
    return "bad" if state == "unreadable" else task_tone(state)


def _finalized(value: object) -> object:
    """Return a value for a template: text without control characters and lone surrogates."""
    if type(value) is not str:  # markup is a subclass, and known to be good
        return value
    return escape_controls(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _part(name: str) -> str:
    """Return a name as one part of an address."""
    return quote(name.encode("utf-8", "backslashreplace"), safe="")
