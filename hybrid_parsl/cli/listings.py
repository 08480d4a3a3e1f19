"""``hybrid-parsl sites`` and ``hybrid-parsl problems``: what there is to choose from."""

from __future__ import annotations

import json

import typer

from hybrid_parsl.cli.options import AsJson


def sites(context: typer.Context, as_json: AsJson = False) -> None:
    """List the sites of the project and of installed plug-ins."""
    from hybrid_parsl.engine.sites import load_site, site_names
    from hybrid_parsl.errors import ConfigurationError

    project = context.obj.project()
    rows = []
    for name, source in site_names(project).items():
        try:
            summary = load_site(name, project).summary
        except ConfigurationError as error:
            summary = f"broken: {error.message}"
        rows.append({"name": name, "summary": summary, "source": source})
    _print(rows, as_json=as_json)


def problems(as_json: AsJson = False) -> None:
    """List the kinds of problems: built in, and of installed plug-ins."""
    import inspect

    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.problems.registry import problem_class, problem_kinds

    rows = []
    for kind, source in problem_kinds().items():
        try:
            found = problem_class(kind)
            summary = (inspect.getdoc(found) or "").partition("\n")[0]
            keys = ", ".join(found.Settings.model_fields)
        except ConfigurationError as error:
            summary, keys = f"broken: {error.message}", ""
        rows.append({"name": kind, "summary": summary, "keys": keys, "source": source})
    _print(rows, as_json=as_json)


def _print(rows: list[dict[str, str]], *, as_json: bool) -> None:
    """Print `rows` as a JSON list or as a table."""
    if as_json:
        typer.echo(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in rows[0] if rows else []:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(value) for value in row.values()))
    Console().print(table)
