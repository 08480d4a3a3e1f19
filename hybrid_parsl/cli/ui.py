"""``hybrid-parsl ui``: the page over a folder of runs."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import RunsDirectory
from hybrid_parsl.cli.output import say, say_aside

_LARGEST_PORT = 65_535


def ui(
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    host: Annotated[
        str, typer.Option(help="The name or address to listen on.", metavar="HOST")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(help="The port; 0 for any free one.", metavar="N", min=0, max=_LARGEST_PORT),
    ] = 8765,
    open_browser: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
) -> None:
    """Show runs, their progress, figures and logs in a browser, until Ctrl-C."""
    from hybrid_parsl.engine.signals import INTERRUPTED, TerminatedError, terminable
    from hybrid_parsl.ui.server import PageServer, browser_at

    server = PageServer(runs_dir, host, port)
    say(f"runs in {runs_dir} are shown at\n\n  {server.address}\n\nstop with Ctrl-C")
    if host not in ("127.0.0.1", "::1", "localhost"):
        say_aside("note: others on the network can read what is sent; a tunnel is safer")
    try:
        with terminable(), contextlib.ExitStack() as stack:
            if open_browser and not stack.enter_context(browser_at(server.address)):
                say_aside("note: there is no browser to open")
            server.run()
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except TerminatedError as error:
        raise typer.Exit(error.exit_code) from None
