"""Which names of variables and settings sound like secrets."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "(hidden)"
_ASSIGNMENT = re.compile(r"""\b([A-Za-z_]\w*)=("[^"]*"|'[^']*'|[^\s;]+)""")
_LOGIN = re.compile(r"//[^/@\s]+@")
_SECRET = re.compile(
    r"SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|WEBHOOK|BEARER|COOKIE|CONNECTION_?STRING"
    r"|(API|ACCESS|PRIVATE|SIGNING|ENCRYPTION)_?KEY"
    r"|_PWD$|_PASS$|_AUTH$|^AUTH$|_DSN$",  # but not PWD and OLDPWD, the shell's folders
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Return whether the value of a variable or setting `name` should not be kept or shown."""
    return _SECRET.search(name) is not None


def masked(value: Any, name: str = "") -> Any:
    """Return a value with `HIDDEN` in place of what sounds like a secret.

    Parameters
    ----------
    value
        A JSON value.
    name
        Its name, if it has one.
    """
    if isinstance(value, str):
        if is_secret_name(name):
            return HIDDEN
        shown = _ASSIGNMENT.sub(
            lambda m: f"{m[1]}={HIDDEN}" if is_secret_name(m[1]) else m[0], value
        )
        return _LOGIN.sub(f"//{HIDDEN}@", shown)
    if isinstance(value, list):
        return [masked(each) for each in value]
    if isinstance(value, dict):
        return {key: masked(each, str(key)) for key, each in value.items()}
    return value
