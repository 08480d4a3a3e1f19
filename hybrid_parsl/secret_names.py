"""Which names of variables and settings sound like secrets."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|WEBHOOK|BEARER|COOKIE|CONNECTION_?STRING"
    r"|(API|ACCESS|PRIVATE|SIGNING|ENCRYPTION)_?KEY"
    r"|_PWD$|_PASS$|_AUTH$|^AUTH$|_DSN$",  # but not PWD and OLDPWD, the shell's folders
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Return whether the value of a variable or setting `name` should not be kept or shown."""
    return _SECRET.search(name) is not None
