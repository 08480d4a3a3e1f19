"""Options of ``hybrid-parsl remote``, and how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hybrid_parsl.cli.options import read_time_span

if TYPE_CHECKING:
    from collections.abc import Sequence

EndpointId = Annotated[
    str,
    typer.Option(
        "--endpoint", help="The endpoint's id.", metavar="ID", envvar="HYBRID_PARSL_ENDPOINT"
    ),
]
FunctionId = Annotated[
    str | None,
    typer.Option(
        "--function",
        help="The function that the endpoint allows; registered once if left out.",
        metavar="ID",
        envvar="HYBRID_PARSL_FUNCTION",
    ),
]
Detach = Annotated[bool, typer.Option("--detach", help="Submit, and do not wait.")]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", help="Longest time to wait, such as 2h.", metavar="TIME"),
]
TemplateValues = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint-set", help="Set a value of the endpoint's template.", metavar="KEY=VALUE"
    ),
]


def read_timeout(text: str | None) -> float | None:
    """Return the length of the time span `text` in seconds, None for None.

    Raises
    ------
    ConfigurationError
        If it is invalid.
    """
    return None if text is None else read_seconds(text)


def read_seconds(text: str) -> float:
    """Return the length in seconds of the time span that ``--timeout`` was given.

    Raises
    ------
    ConfigurationError
        If it is invalid.
    """
    return read_time_span(text, "--timeout").total_seconds()


def read_template_values(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Return the values that ``--endpoint-set`` was given; a number is one for the schema too.

    Raises
    ------
    ConfigurationError
        One is no assignment.
    """
    import json

    from hybrid_parsl.errors import ConfigurationError

    values: dict[str, Any] = {}
    for assignment in assignments or []:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            message, valid = "a value is KEY=VALUE", "for example drivers=2"
            raise ConfigurationError(message, "--endpoint-set", None, assignment, valid)
        try:
            values[key.strip()] = json.loads(text)
        except ValueError:
            values[key.strip()] = text
    return values
