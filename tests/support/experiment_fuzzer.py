"""Damages experiments at random, as text and as tables; the same seed does the same damage."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import tomli_w

if TYPE_CHECKING:
    import random

WHOLE: dict[str, Any] = {
    "name": "fuzzed",
    "problem": {"kind": "bell"},
    "ansatz": {"layers": 2},
    "search": {
        "method": "cobyla",
        "starts": 8,
        "seed": 1,
        "iterations": 20,
        "tolerance": 1e-6,
        "precision": "double",
        "threads": 1,
    },
    "quantum": {
        "backend": "aer",
        "method": "automatic",
        "shots": 64,
        "seed": 1,
        "options": {"precision": "double", "max_parallel_threads": 1},
    },
    "analysis": {"top": 4, "bootstrap": 10, "seed": 2, "landscape": 0},
    "resources": {"num_nodes": 1, "ranks_per_node": 2, "num_ranks": 2, "walltime_s": 60},
}
VALUES: list[Any] = [
    *(0, 1, -1, 2, 3.5, 2**31, 2**32, 2**63, 2**64, -(2**63) - 1, 16**5000, 1e308, 5e-324),
    *(float("nan"), float("inf"), -0.0, True, False, "", "a", "1", "grid", "é\u202e", "x" * 3000),
    *([], [1, "a"], [[[[]]]], {}, {"a": {}}, {"kind": "bell"}, {"": 1}),
]
TOKENS = [
    *("=", "==", "[", "]", "[[search]]", "{", "}", '"', "'", '"""', "#", ".", ",", "\\", "\n"),
    *("\r", "\0", "\x1b[31m", "\x7f", "\ufeff", "\ufffd", "\u2028", "😀", "true", "nan", "-inf"),
    *("1e999", "0x", "0b1", "1_000", "01", "9" * 5000, "1979-05-27", "1979-13-99", "[" * 700),
    *("a." * 400, '"\\uD800"', "inf", "[problem]", "kind = 1", 'name = "x"\n', "[a.b.c]"),
]
BYTES = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00\x00", b"\xef\xbb\xbf", b"\xfe\xff"]


def damaged_text(generator: random.Random) -> bytes:
    """Return the TOML of an experiment with one to three faults in its text."""
    text = tomli_w.dumps(WHOLE)
    for _ in range(generator.randint(1, 3)):
        text = _damage(text, generator)
    data = text.encode()
    if generator.random() < 0.05:
        place = generator.randrange(len(data) + 1)
        data = data[:place] + generator.choice(BYTES) + data[place:]
    return data


def _damage(text: str, generator: random.Random) -> str:
    """Return `text` with one fault."""
    lines = text.split("\n")
    number = generator.randrange(len(lines))
    place = generator.randrange(len(text) + 1)
    match generator.randrange(7):
        case 0:
            return text[:place] + generator.choice(TOKENS) + text[place:]
        case 1:
            return text[:place] + text[place + generator.randint(1, 4) :]
        case 2:
            return text[:place]
        case 3:
            lines.insert(generator.randrange(len(lines)), lines[number])
        case 4:
            del lines[number]
        case 5:
            key = lines[number].partition("=")[0]
            lines[number] = f"{key}= {generator.choice(TOKENS)}"
        case _:
            generator.shuffle(lines)
    return "\n".join(lines)


def damaged_table(generator: random.Random) -> dict[str, Any]:
    """Return the tables of an experiment with one to three faults in its keys and values."""
    table = copy.deepcopy(WHOLE)
    for _ in range(generator.randint(1, 3)):
        inner = generator.choice(
            [table, *(each for each in table.values() if isinstance(each, dict))]
        )
        keys = [*inner, "".join(generator.choices("abst._ \0é", k=3))]
        key = generator.choice(keys)
        match generator.randrange(4):
            case 0:
                inner.pop(key, None)
            case 1:
                inner[key + generator.choice("s_\n")] = inner.get(key, 1)
            case _:
                inner[key] = copy.deepcopy(generator.choice(VALUES))
    return table
