from __future__ import annotations

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.remote.client import ID_VARIABLE, SECRET_VARIABLE, check_id, check_variables


@pytest.mark.parametrize("there", [ID_VARIABLE, SECRET_VARIABLE])
def test_half_of_a_client(there):
    (lacking,) = {ID_VARIABLE, SECRET_VARIABLE} - {there}
    with pytest.raises(ConfigurationError, match=lacking) as caught:
        check_variables({there: "a value", lacking: ""})
    assert "a value" not in str(caught.value)


def test_a_whole_client_or_none():
    check_variables({})
    check_variables({ID_VARIABLE: "an id", SECRET_VARIABLE: "a secret"})


def test_an_id():
    written = "4B116D3C17034F8F9F6F39921E5864DF"
    assert check_id(written, "--endpoint") == "4b116d3c-1703-4f8f-9f6f-39921e5864df"
    with pytest.raises(ConfigurationError, match="--endpoint: is no id"):
        check_id("login1", "--endpoint")
