"""Damages valid files at random: the same seed does the same damage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 3.5, 2**31, 2**63, 2**64, 1e308, -1e308, 5e-324, 10**400),
    *(float("nan"), float("inf"), -float("inf"), "", "a", "1", "../..", "/etc/passwd", "a\0b"),
    *("é\u202e\x1b[2J", "\ud800", "x" * 3000, "2026-01-01", "0001-01-01T00:00+23:59", "<script>"),
    *([], [1, "a"], [[[[]]]], [None], {}, {"a": {}}, {"": 1}, {"name": 1}),
]
TOKENS = [
    *(b"=", b"[", b"]", b"{", b"}", b'"', b"'", b"#", b".", b",", b":", b"\\", b"\n", b"\r", b"\0"),
    *(b"\x1b[31m", b"\x7f", b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\xed\xa0\x80", b"nan", b"NaN"),
    *(b"Infinity", b"-inf", b"1e999", b"0x", b"1_000", b"9" * 5000, b"[" * 2000, b"{" * 2000),
    *(b'{"a":' * 1000, b'"\\ud800"', b"null", b"true", b"-1", b"0", b"1e-400", b"<!--", b"<?"),
    *(
        b"url(//x)",
        b"\\75rl(//x)",
        b" onload=",
        b"javascript:",
        b"&#117;",
        b"\xe2\x80\xae",
        b" " * 500,
    ),
]
ELSE = [b"", b"[" * 100_000, b'{"a":' * 100_000, b"\0" * 100]


def damaged(sample: bytes, generator: random.Random) -> bytes:
    """Return `sample` with one to four faults, or something else in its place."""
    kind = generator.random()
    if kind < 0.01:
        return generator.choice([*ELSE, generator.randbytes(300)])
    if kind < 0.5:
        try:
            value = json.loads(sample)
        except ValueError:
            pass
        else:
            for _ in range(generator.randint(1, 3)):
                value = _with_other_value(value, generator)
            return json.dumps(value).encode()
    data = sample
    for _ in range(generator.randint(1, 4)):
        data = _with_other_bytes(data, generator)
    return data


def _with_other_value(value: Any, generator: random.Random) -> Any:
    """Return a JSON value with another value, or none, somewhere in it."""
    if not isinstance(value, dict | list) or not value or generator.random() < 0.1:
        return generator.choice(VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = generator.choice(keys)
    action = generator.random()
    changed = value.copy()
    if action < 0.1:
        del changed[key]
    elif action < 0.15 and isinstance(changed, dict):
        changed[str(generator.choice(VALUES))[:50]] = generator.choice(VALUES)
    elif action < 0.5:
        changed[key] = generator.choice(VALUES)
    else:
        changed[key] = _with_other_value(value[key], generator)
    return changed


def _with_other_bytes(data: bytes, generator: random.Random) -> bytes:
    """Return `data` with one fault."""
    start = generator.randrange(len(data) + 1)
    end = min(len(data), start + generator.choice([1, 1, 2, 5, 20, 200]))
    token = generator.choice(TOKENS)
    part = data[start:end]
    return generator.choice(
        [
            data[:start],
            data[:start] + data[end:],
            *(2 * [data[:start] + token + data[start:]]),
            data[:start] + token + data[end:],
            data[:start] + generator.randbytes(1) + data[start + 1 :],
            data[:start] + part * generator.choice([2, 3, 50]) + data[end:],
            b"\n".join(generator.sample(lines := data.split(b"\n"), len(lines))),
        ]
    )
