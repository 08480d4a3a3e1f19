"""Tells somebody that a scheduled run did not succeed: a command, or a webhook."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

WEBHOOK_S = 20.0
COMMAND_S = 120.0
_LONGEST_VARIABLE = 10_000  # execve(2) takes 128 KiB
_SCHEMES = ("http", "https")


def check_target(text: str) -> str:
    """Return `text` if it is a valid target for failure reports.

    Raises
    ------
    ConfigurationError
        If it is empty, or an address of another kind or without a host.
    """
    valid = "a shell command, or an http:// or https:// address"
    if not text.strip():
        raise ConfigurationError("is empty", "--on-failure", None, repr(text), valid)
    if "://" in text.split(maxsplit=1)[0] and not _is_webhook(text):
        raise ConfigurationError(
            "is not a valid target", "--on-failure", None, shown_target(text), valid
        )
    return text


def _is_webhook(text: str) -> bool:
    """Return whether `text` is an address that can be sent something."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in _SCHEMES and bool(parts.hostname) and text.split() == [text]


def shown_target(text: str) -> str:
    """Return `text` for a reader: of an address only the scheme, as all else may be secret."""
    scheme, separator, _ = text.partition("://")
    return f"{scheme}://…" if separator else text


def notify(target: str, told: Mapping[str, Any], environment: Mapping[str, str]) -> str | None:
    """Tell `target` of a failure, and return what went wrong with that, None if nothing did.

    Parameters
    ----------
    target
        An ``http`` or ``https`` address, perhaps with ``user:password@`` before the host, which is
        sent `told` as JSON with POST; or a command for
        ``/bin/sh``, which finds it at its standard input and, in capitals and with
        ``HYBRID_PARSL_`` before, in its variables, which hold the first 10 000 characters.
    told
        The report, as JSON values.
    environment
        The variables of the command; those that name a proxy count for an address, too.
    """
    data = json.dumps(told).encode()
    if target.lower().startswith(("http://", "https://")):
        return _post(target, data, environment)
    variables = {f"HYBRID_PARSL_{key.upper()}": _text(value) for key, value in told.items()}
    return _call(target, data, {**environment, **variables})


def _text(value: object) -> str:
    """Return a value for a variable, which can hold neither None, nor a 0, nor any length."""
    return "" if value is None else str(value).replace("\0", "")[:_LONGEST_VARIABLE]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: a POST would become a GET without the report."""

    def redirect_request(self, *_: Any) -> None:
        """Return nothing, so that the answer counts as the error that it is."""


def _proxies(address: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy for an address that `environment` names, by scheme."""
    lower = {name.lower(): value for name, value in environment.items()}
    found = {scheme: lower[f"{scheme}_proxy"] for scheme in _SCHEMES if f"{scheme}_proxy" in lower}
    host = urlsplit(address).hostname or ""
    exempt = [each.strip().lstrip(".") for each in lower.get("no_proxy", "").split(",")]
    is_exempt = any(each and (each in ("*", host) or host.endswith(f".{each}")) for each in exempt)
    return {} if is_exempt else found


def _post(address: str, data: bytes, environment: Mapping[str, str]) -> str | None:
    """Send `data` to a webhook; its answer is not shown, as its address may be secret."""
    headers = {"Content-Type": "application/json", "User-Agent": "hybrid-parsl"}
    try:
        address, credentials = _without_credentials(address)
        if credentials:
            headers["Authorization"] = credentials
        proxy = urllib.request.ProxyHandler(_proxies(address, environment))
        opener = urllib.request.build_opener(proxy, _NoRedirect)
        request = urllib.request.Request(address, data, headers)  # noqa: S310 - checked when added
        with opener.open(request, timeout=WEBHOOK_S):
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return f"the webhook answered {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else type(error).__name__
        return f"the webhook cannot be reached: {reason}"


def _without_credentials(address: str) -> tuple[str, str]:
    """Return an address without its user and password, and these as a header (RFC 7617)."""
    parts = urlsplit(address)
    who, at, host = parts.netloc.rpartition("@")
    if not at:
        return address, ""
    user, _, password = who.partition(":")
    pair = f"{unquote(user)}:{unquote(password)}".encode()
    return parts._replace(netloc=host).geturl(), f"Basic {base64.b64encode(pair).decode()}"


def _call(command: str, data: bytes, environment: Mapping[str, str]) -> str | None:
    """Run a command and wait for its end."""
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command
            ["/bin/sh", "-c", command],
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_S,
            check=False,
            env=dict(environment),
        )
    except subprocess.TimeoutExpired:
        return f"the command did not end within {COMMAND_S:.0f} s"
    except OSError as error:
        return f"the command cannot be started: {error.strerror}"
    return None if done.returncode == 0 else f"the command ended with exit code {done.returncode}"
