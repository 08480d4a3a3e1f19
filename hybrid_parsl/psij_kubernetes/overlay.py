"""What a user lays over a pod: volumes, and anything else; and text that stays as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from psij import InvalidJobException

Manifest = dict[str, Any]
_DOLLAR = re.compile(r"\$(?=[$(])")


def literal(text: str) -> str:
    """Return `text` so that a container gets it unchanged.

    Kubernetes puts the value of a variable for ``$(NAME)``, and ``$`` for ``$$``.
    """
    return _DOLLAR.sub("$$", text)


def split_volume(volume: Mapping[str, Any]) -> tuple[Manifest, Manifest]:
    """Return a volume, and how it is mounted.

    Raises
    ------
    InvalidJobException
        It lacks its name, its mount path or its source.
    """
    mount = {
        key: volume[key] for key in ("name", "mountPath", "readOnly", "subPath") if key in volume
    }
    source = {key: value for key, value in volume.items() if key not in mount} | {
        "name": volume.get("name")
    }
    if not {"name", "mountPath"} <= set(mount) or len(source) != 2:  # noqa: PLR2004 - name, source
        valid = "name, mountPath, perhaps readOnly and subPath, and one source"
        message = f"The volume {dict(volume)!r} should have {valid}"
        raise InvalidJobException(message)
    return source, mount


def is_mounted(path: str, mounts: Sequence[Manifest]) -> bool:
    """Return whether `path` lies on a volume."""
    folders = [mount["mountPath"].rstrip("/") + "/" for mount in mounts]
    return any((path.rstrip("/") + "/").startswith(folder) for folder in folders)


def merge(base: Any, overlay: Any) -> Any:
    """Return `base` with `overlay` on top.

    Tables are merged key by key, lists of named things by name; all else is replaced.
    """
    if isinstance(base, Mapping) and isinstance(overlay, Mapping):
        merged = dict(base)
        for key, value in overlay.items():
            merged[key] = merge(base[key], value) if key in base else value
        return merged
    if _are_named(base) and _are_named(overlay):
        things = {each["name"]: each for each in base}
        for each in overlay:
            name = each["name"]
            things[name] = merge(things[name], each) if name in things else dict(each)
        return list(things.values())
    return overlay


def _are_named(value: Any) -> bool:
    """Return whether `value` is a list of tables that all have a name."""
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(each, Mapping) and "name" in each for each in value)
    )
