from __future__ import annotations

import pytest

from hybrid_parsl.strict_json import parse_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": [1, -2.5e3, null, true, "\xc3\xbc"]}', {"a": [1, -2500.0, None, True, "ü"]}),
        ('"\\ud800"', "\ud800"),
        (f"[{-(2**63)}, {2**64 - 1}]", [-(2**63), 2**64 - 1]),
        ("[" * 64 + "]" * 64, None),
    ],
)
def test_json_is_read(text, value):
    found = parse_json(text)
    assert value is None or found == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "Expecting value"),
        (b"\xff", "utf-8"),
        ("{", "Expecting property name"),
        ("NaN", "NaN, which is not a finite number"),
        ('{"a": [-Infinity]}', "-Infinity, which is not a finite number"),
        ("1e999", "1e999, which is not a finite number"),
        ("-0.001e-400", "-0.001e-400, which is 0 in double precision"),
        (str(2**64), "more than 64 bits"),
        ("9" * 5000, "more than 64 bits"),
        ("[" * 65 + "]" * 65, "more than 64 levels"),
        ('{"a":' * 70 + "1" + "}" * 70, "more than 64 levels"),
        ("[" * 100_000, "more than 64 levels"),
        ("[" * 100_000 + "]" * 100_000, "more than 64 levels"),
    ],
    ids=lambda each: str(each)[:20],
)
def test_what_is_damaged_or_hostile_is_a_value_error(text, words):
    with pytest.raises(ValueError, match=words):
        parse_json(text)


def test_a_text_may_not_be_longer_than_allowed():
    assert parse_json("[1]", most=3) == [1]
    with pytest.raises(ValueError, match="has 4 bytes, more than 3"):
        parse_json("[11]", most=3)
