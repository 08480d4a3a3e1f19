"""Which version of the package this is, to the byte."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from hybrid_parsl import __version__


@cache
def current() -> str:
    """Return ``version+fingerprint`` of the package that is running.

    The fingerprint is the first 16 hexadecimal digits of the SHA-256 of all its Python
    sources, by relative path. Files of the project folder (apps, sites) do not count: they
    are the user's.
    """
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if relative.parts[0] != "template":
            digest.update(f"{relative.as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{__version__}+{digest.hexdigest()[:16]}"
