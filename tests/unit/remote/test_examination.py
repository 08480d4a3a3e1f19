from __future__ import annotations

import pytest

from hybrid_parsl.records.versions import software_versions
from hybrid_parsl.remote.examination import _compare


def test_the_same_on_both_sides():
    finding = _compare({"host": "login1", "versions": software_versions()})
    assert finding.state == "ok"
    assert "on both sides, login1" in finding.message
    assert "\n" not in finding.message


def test_other_packages_are_told():
    there = {**software_versions(), "numpy": "1.0", "new": "2.0"}
    finding = _compare({"host": "login1", "versions": there})
    assert finding.state == "ok"
    assert ", 1.0 there" in finding.message
    assert "new: none here, 2.0 there" in finding.message


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({**software_versions(), "hybrid-parsl": "0.0.1+0123456789abcdef"}, "0.0.1+"),
        ({"python": "/usr/bin/python3", "error": "No module named hybrid_parsl"}, "No module"),
    ],
)
def test_what_does_not_fit(versions, said):
    finding = _compare({"host": "login1", "versions": versions})
    assert finding.state == "wrong"
    assert said in finding.message
    assert finding.advice
