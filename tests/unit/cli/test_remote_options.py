from __future__ import annotations

import pytest

from hybrid_parsl.cli.remote_options import read_template_values, read_timeout
from hybrid_parsl.errors import ConfigurationError


def test_a_timeout() -> None:
    assert read_timeout("2h") == 7200
    assert read_timeout("0") == 0
    assert read_timeout(None) is None


def test_values_of_a_template() -> None:
    assert read_template_values(None) == {}
    given = ["drivers=2", "name=two words", "flag=true", "text=a=b"]
    values = {"drivers": 2, "name": "two words", "flag": True, "text": "a=b"}
    assert read_template_values(given) == values
    with pytest.raises(ConfigurationError, match="KEY=VALUE"):
        read_template_values(["=2"])
