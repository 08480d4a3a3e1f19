"""``hybrid-parsl remote endpoint init``: the other side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hybrid_parsl.cli.output import say
from hybrid_parsl.cli.remote_options import FunctionId

endpoint_app = typer.Typer(
    name="endpoint",
    help="The endpoint that runs are sent to.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@endpoint_app.callback()
def _endpoint() -> None:
    """Keep ``endpoint`` a group, though it has one command."""


@endpoint_app.command()
def init(
    folder: Annotated[
        Path,
        typer.Argument(help="A new folder, such as ~/.globus_compute/hybrid-parsl.", metavar="DIR"),
    ],
    function: FunctionId = None,
    email: Annotated[
        str | None, typer.Option(help="Whom to ask about it; needed if root runs it.")
    ] = None,
) -> None:
    """Write the configuration of an endpoint that runs hybrid-parsl and nothing else."""
    from hybrid_parsl.remote.client import ComputeService, check_id
    from hybrid_parsl.remote.endpoint_files import write_endpoint
    from hybrid_parsl.remote.functions import known_function

    if function:
        allowed = check_id(function, "--function")
    else:
        allowed = known_function(ComputeService.connect())
    for path in write_endpoint(folder, allowed, email):
        say(str(path))
    place = folder.absolute()  # to Globus' daemon, a relative one would be another
    say(f"start it:   globus-compute-endpoint -c {place.parent} start {place.name}")
    say(f"elsewhere:  export HYBRID_PARSL_FUNCTION={allowed}")
