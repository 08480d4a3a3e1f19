"""``hybrid-parsl sites``, ``problems``, ``optimizers`` and others: what there is to choose from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hybrid_parsl.cli.completion import complete_site
from hybrid_parsl.cli.options import AsJson, SiteAssignments
from hybrid_parsl.cli.output import say, say_aside, say_rich

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hybrid_parsl.engine.sites import Site
    from hybrid_parsl.project import Project


def sites(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            help="Show the settings of this site.",
            metavar="[NAME|PATH]",
            autocompletion=complete_site,
        ),
    ] = None,
    site_settings: SiteAssignments = None,
    as_json: AsJson = False,
) -> None:
    """List the sites of project and plug-ins, or what is set on one, and where."""
    from hybrid_parsl.engine.sites import check_tables, load_site, site_names
    from hybrid_parsl.errors import ConfigurationError

    project = context.obj.project()
    if name is not None:
        _print_settings(load_site(name, project, site_settings or []), project, as_json=as_json)
        return
    if site_settings:
        raise ConfigurationError("is for one site", "--site-set", valid="sites NAME --site-set ...")
    for note in check_tables("", project):
        say_aside(f"note: {note}")
    rows = []
    for each, source in site_names(project).items():
        try:
            summary = load_site(each, project).summary
        except ConfigurationError as error:
            summary = f"broken: {error.message}"
        rows.append({"name": each, "summary": summary, "source": source})
    print_rows(rows, as_json=as_json)


def _print_settings(site: Site, project: Project, *, as_json: bool) -> None:
    """Print what is set on a site.

    Raises
    ------
    ConfigurationError
        If a value is not valid, or a table of the user's file is misspelt.
    """
    from hybrid_parsl.engine.site_settings import describe_settings
    from hybrid_parsl.engine.sites import check_tables

    for note in check_tables(site.name, project):
        say_aside(f"note: {note}")
    if site.settings_model is None:
        say("[]" if as_json else f"the site {site.name} has no settings")
        return
    rows, fault = describe_settings(site.settings_model, site.name, site.assignments)
    if not as_json:
        rows = [{key: row[key] for key in ("setting", "value", "from", "meaning")} for row in rows]
    print_rows(rows, as_json=as_json)
    if fault is not None:
        raise fault


def problems(as_json: AsJson = False) -> None:
    """List the kinds of problems: built in, and of installed plug-ins."""
    from hybrid_parsl.problems.registry import problem_class, problem_kinds

    print_rows(_rows(problem_kinds(), problem_class, "Settings", "keys"), as_json=as_json)


def optimizers(as_json: AsJson = False) -> None:
    """List the search methods: built in, of installed plug-ins, and SciPy's."""
    from hybrid_parsl.optimize.registry import OPTIMIZERS, optimizer_class
    from hybrid_parsl.optimize.scipy_method import OPTIONS

    rows = _rows(OPTIMIZERS.targets(), optimizer_class, "Options", "options")
    for name, options in OPTIONS.items():
        summary, source = f"SciPy's {name}.", "scipy.optimize:minimize"
        names = ", ".join(options.split())
        rows.append({"name": name, "summary": summary, "options": names, "source": source})
    print_rows(rows, as_json=as_json)


def backends(as_json: AsJson = False) -> None:
    """List the quantum backends: built in, and of installed plug-ins."""
    from hybrid_parsl.quantum.registry import BACKENDS, backend_names

    print_rows(_rows(backend_names(), BACKENDS.load, "Options", "options"), as_json=as_json)


def _rows(
    sources: Mapping[str, str], load: Callable[[str], Any], model: str, column: str
) -> list[dict[str, str]]:
    """Return a row for each class that an experiment can name.

    Parameters
    ----------
    sources
        The ``package.module:Class`` behind each name.
    load
        Returns the class of a name.
    model
        The attribute of the class that holds the model of its keys.
    column
        What these keys are called.
    """
    import inspect

    from hybrid_parsl.errors import ConfigurationError

    rows = []
    for name, source in sources.items():
        try:
            found = load(name)
            summary = (inspect.getdoc(found) or "").partition("\n")[0].replace("``", "")
            keys = ", ".join(getattr(getattr(found, model, None), "model_fields", ()))
        except ConfigurationError as error:
            summary, keys = f"broken: {error.message}", ""
        rows.append({"name": name, "summary": summary, column: keys, "source": source})
    return rows


def workflows(context: typer.Context, as_json: AsJson = False) -> None:
    """List the workflows of the project with their options."""
    from hybrid_parsl.workflow import REQUIRED, describe_options, workflows_in

    found = workflows_in(context.obj.project().workflows())
    if as_json:
        rows = [
            {"name": each.name, "summary": each.summary, "options": describe_options(each)}
            for each in found.values()
        ]
        say(json.dumps(rows))
        return
    for each in found.values():
        say(f"{each.name}  {each.summary}")
        for option in describe_options(each):
            default = option["default"]
            given = ", required" if default == REQUIRED else f" = {default}"
            say(f"    {option['option']}: {option['type']}{given}")


def print_rows(rows: list[dict[str, str]], *, as_json: bool) -> None:
    """Print `rows` as a JSON list or as a table."""
    if as_json:
        say(json.dumps(rows))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in rows[0] if rows else []:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(value) for value in row.values()))
    say_rich(table)
