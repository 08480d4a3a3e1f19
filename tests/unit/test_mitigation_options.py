from __future__ import annotations

from typing import Any

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Experiment, Quantum
from hybrid_parsl.experiment_file import parse_experiment
from hybrid_parsl.mitigation_options import ReadoutOptions, ZneOptions


def parsed(**quantum: Any) -> Experiment:
    return parse_experiment({"name": "x", "problem": {"kind": "bell"}, "quantum": quantum})


def test_the_defaults_of_each_method() -> None:
    assert Quantum().mitigation_settings is None
    assert Quantum(mitigation="readout").mitigation_settings == ReadoutOptions()
    settings = parsed(mitigation="zne", mitigation_options={"twirls": 8}).quantum
    assert settings.mitigation_settings == ZneOptions(twirls=8)


def test_a_copy_of_the_experiment_can_be_read_again() -> None:
    asked = parsed(mitigation="readout", mitigation_options={"twirls": 4})
    assert parse_experiment(asked.model_dump(mode="json", exclude_none=True)) == asked


def test_an_unknown_method_names_the_valid_ones() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parsed(mitigation="zme")
    assert caught.value.key == "quantum.mitigation"
    assert caught.value.valid == "none, readout, zne"


def test_options_without_mitigation() -> None:
    with pytest.raises(ConfigurationError, match="without mitigation") as caught:
        parsed(mitigation_options={"twirls": 8})
    assert caught.value.key == "quantum.mitigation_options"


@pytest.mark.parametrize(
    ("method", "options", "key"),
    [
        ("readout", {"noise_factors": [1, 3]}, "noise_factors"),
        ("readout", {"twirls": 7}, "twirls"),
        ("readout", {"twirls": 2000}, "twirls"),
        ("zne", {"extrapolation": "cubic"}, "extrapolation"),
        ("zne", {"noise_factors": [1, 3, 101]}, "noise_factors"),
        ("zne", {"noise_factors": [1, 2, 3]}, None),
        ("zne", {"noise_factors": [3, 1, 5]}, None),
        ("zne", {"noise_factors": [1, 3]}, None),  # too few for a quadratic
    ],
)
def test_an_invalid_option_is_named(method: Any, options: dict[str, Any], key: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parsed(mitigation=method, mitigation_options=options)
    assert str(caught.value.key).startswith("quantum.mitigation_options")
    assert key is None or f"quantum.mitigation_options.{key}" in str(caught.value.key)


def test_two_factors_are_enough_for_two_parameters() -> None:
    for kind in ("linear", "exponential"):
        options = {"noise_factors": [1, 3], "extrapolation": kind}
        assert parsed(mitigation="zne", mitigation_options=options)
