"""Objects of Kubernetes for people to read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def as_yaml(manifest: Mapping[str, Any]) -> str:
    """Return an object as YAML, of which JSON is a part."""
    try:
        import yaml
    except ImportError:
        return json.dumps(manifest, indent=2)

    class Plain(yaml.SafeDumper):  # type: ignore[misc]
        """Writes scripts as they are, and nothing as a reference."""

        def ignore_aliases(self, data: Any) -> bool:
            """Return True: an object that is there twice is written twice."""
            del data
            return True

    def write_text(dumper: Any, text: str) -> Any:
        """Write a text, one of several lines in lines."""
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Plain.add_representer(str, write_text)
    text: str = yaml.dump(manifest, Dumper=Plain, sort_keys=False, width=96)
    return text.rstrip()
