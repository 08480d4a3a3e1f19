"""Who may read the page: whoever has the token, in a browser that shows no other site's page.

Other users of a login node reach its loopback ports, too, so a token is always required.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "token"  # noqa: S105 - the name of a parameter
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_OWN_PAGE = ("same-origin", "none")
"""What browsers say of a request of the page itself, and of an address that was typed in."""
_REDIRECT = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>hybrid-parsl</title>'
    '<link rel="icon" href="data:,">'
    '<meta http-equiv="refresh" content="0; url={0}"><p><a href="{0}">Continue</a></p>'
)


class Guard:
    """Refuse requests without the token, of other sites' pages, or under another host name.

    The token arrives in the address once, and becomes a cookie that scripts cannot read.

    Parameters
    ----------
    app
        Answers the requests that are not refused.
    host
        Where the server listens.
    port
        Its port: several servers on one host keep their cookies apart.
    token
        The secret.
    """

    def __init__(self, app: ASGIApp, host: str, port: int, token: str) -> None:
        self._app = app
        self._names = {host.lower(), "localhost", socket.gethostname().lower()}
        self._cookie = f"hybrid_parsl_ui_{port}"
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            refusal.headers["connection"] = "close"
        answer = refusal or self._sign_in(scope) or self._app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that is not allowed, None if it is."""
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("the page only reads\n", 405, {"allow": "GET, HEAD"})
        host = headers.get("host", "")
        if not self._is_ours(host):
            return PlainTextResponse("the page is not served under this host name\n", 421)
        signs_in = self._has_token(_query(scope).get(TOKEN, ""))
        if not signs_in and headers.get("sec-fetch-site", "none") not in _OWN_PAGE:
            return PlainTextResponse("a page of another site asked for this\n", 403)
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            return PlainTextResponse("a page of another site asked for this\n", 403)
        if not signs_in and not self._has_token(
            cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        ):
            message = "open the address that hybrid-parsl ui has printed, with its token\n"
            return PlainTextResponse(message, 403)
        return None

    def _sign_in(self, scope: Scope) -> Response | None:
        """Return the answer to a request with the token in its address, None to another one.

        A redirect by the page itself, not by a status: after a click on a link of another site,
        such as a terminal in a browser, the cookie would not be sent along.
        """
        query = _query(scope)
        if TOKEN not in query:
            return None
        del query[TOKEN]
        path = "/" + scope["raw_path"].decode("ascii", "replace").lstrip("/\\")
        target = f"{path}?{urlencode(query)}" if query else path
        escaped = target.replace("&", "&amp;").replace('"', "%22").replace("<", "%3C")
        response = HTMLResponse(_REDIRECT.format(escaped))
        response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
        return response

    def _is_ours(self, host: str) -> bool:
        """Return whether the header Host names this server: a foreign name may be rebound to it.

        Any port is accepted, as that of a tunnel, and any numeric address, which cannot be rebound.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_numeric(name)

    def _has_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode("utf-8", "replace"), self._token.encode())


def _query(scope: Scope) -> dict[str, str]:
    """Return the parameters in the address of a request."""
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


def _is_numeric(name: str) -> bool:
    """Return whether a host name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
