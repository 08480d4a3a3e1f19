"""Whether a pydantic model refuses keys that it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping


def refuses(model: type[BaseModel], keys: Mapping[str, Any]) -> bool:
    """Return whether a model calls one of the keys unknown."""
    try:
        model.model_validate(keys)
    except ValidationError as error:
        return any(each["type"] == "extra_forbidden" for each in error.errors())
    return False
