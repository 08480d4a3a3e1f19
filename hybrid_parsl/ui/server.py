"""Serves the page on one port until it is interrupted."""

from __future__ import annotations

import contextlib
import errno
import secrets
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.ui.access import TOKEN, Guard
from hybrid_parsl.ui.pages import Pages
from hybrid_parsl.ui.rendering import warm_up
from hybrid_parsl.ui.run_index import check_runs_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    import uvicorn

_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - to be recognised


class PageServer:
    """A server that listens already, and answers once it runs.

    Parameters
    ----------
    folder
        The folder of all runs.
    host
        The name or address to listen on.
    port
        The port; 0 for any free one.

    Raises
    ------
    ConfigurationError
        If the folder cannot be read, or there is no such host or free port.
    """

    def __init__(self, folder: Path, host: str, port: int) -> None:
        check_runs_folder(folder)
        self.listening = _listen(host, port)
        self._host = host
        self.port: int = self.listening.getsockname()[1]
        self._token = secrets.token_urlsafe()
        self._pages = Pages(folder.resolve())
        self._pages.index.listing(0)  # read the runs while a browser is opened
        warm_up()

    @property
    def address(self) -> str:
        """The address of the page, with its token."""
        host = socket.gethostname() if self._host in _ANY else self._host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/?{TOKEN}={self._token}"

    def run(self) -> None:
        """Answer requests until the process is interrupted."""
        try:
            self.server().run(sockets=[self.listening])
        finally:
            self.close()

    def server(self) -> uvicorn.Server:
        """Return the server that answers requests on the socket."""
        import uvicorn

        from hybrid_parsl.ui.connections import BACKLOG, Connection

        application = Guard(self._pages.application(), self._host, self.port, self._token)
        return uvicorn.Server(
            uvicorn.Config(
                application,
                http=Connection,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=1,
            )
        )

    def close(self) -> None:
        """Stop listening."""
        self.listening.close()
        self._pages.close()


@contextlib.contextmanager
def browser_at(address: str) -> Iterator[bool]:
    """Open a browser, and yield whether there is one.

    It gets a private file that leads to the address: other users see the arguments of processes,
    and the token is not for them.
    """
    import webbrowser

    with tempfile.TemporaryDirectory(prefix="hybrid-parsl-ui-") as folder:
        page = Path(folder) / "open.html"
        page.write_text(
            f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">', "utf-8"
        )
        yield webbrowser.open(page.as_uri())


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port of this computer.

    Raises
    ------
    ConfigurationError
        If the host is not this computer, or the port is taken or reserved.
    """
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise _not_here(host) from error
    family, kind, protocol, _, place = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise _not_here(host) from error
        message = "is in use" if error.errno == errno.EADDRINUSE else str(error.strerror)
        valid = "another port, or 0 for any free one"
        raise ConfigurationError(message, "--port", None, str(port), valid) from error
    return listening


def _not_here(host: str) -> ConfigurationError:
    """Return the error for a host that is not this computer."""
    valid = "127.0.0.1, or a name or address of this computer"
    return ConfigurationError("is not a host to listen on", "--host", None, host, valid)
