"""Which names of variables and settings sound like secrets, and where a text holds one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = "(hidden)"
_LOGIN = re.compile(r"//[^/@\s]+@")
_SECRET = re.compile(
    r"SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|WEBHOOK|BEARER|COOKIE|CONNECTION_?STRING"
    r"|(API|ACCESS|PRIVATE|SIGNING|ENCRYPTION)_?KEY"
    r"|_PWD$|_PASS$|_AUTH$|^AUTH$|_DSN$",  # but not PWD and OLDPWD, the shell's folders
    re.IGNORECASE,
)
_WORDS = (
    *("secret", "token", "pass", "credential", "webhook", "bearer", "cookie", "connection"),
    *("key", "pwd", "auth", "dsn"),
)
"""A text without any of these has no secret with a name, which is soon known."""
_OF_A_SECRET = re.compile(
    r"(URL|URI|FILE|PATH|DIR|NAME|VARIABLE|ENV|TYPE|ID|COUNT|LIMIT|LENGTH|SIZE)$|TOKENI[SZ]",
    re.IGNORECASE,
)
"""Names that say where a secret is, or what kind it is of, but for the address of a webhook."""
_SEVERAL = re.compile(r"[a-z_]*(tokens|secrets)")
_NAME = r"""(?<![\w.-])-{0,2}(?P<name>[A-Za-z_][\w.-]*+)\\*["']?\]?"""
_QUOTED = r"""\\*(?P<quote>["'])(?P<text>(?:(?!\\*(?P=quote))[^\n])*+)\\*(?P=quote)"""
_ASSIGNED = re.compile(rf"{_NAME}(?P<sign>[ \t]*(?:=>|:?=(?!=)|:(?!:))[ \t]*)")
_VALUE = re.compile(
    rf"""(?:[\[(]\s*)?{_QUOTED}|(?P<word>[^\s;"'()\[\]{{}}<>]++)(?![(\[])""", re.VERBOSE
)
_ASSIGNED_IN_CODE = re.compile(
    rf"""{_NAME}(?P<sign>[ \t]*(?::[ \t]*[\w.\[\]|][\w.\[\]|, \t]{{0,60}})?
    (?::?=(?!=)|:(?!:))[ \t]*)""",
    re.VERBOSE,
)
_LITERAL = re.compile(rf"(?:[\[(]\s*)?[rbRB]{{0,2}}{_QUOTED}")
_HEADER = re.compile(
    r"""(?P<name>Authorization)\W{1,8}(?:Bearer|Basic|Token)[ ]+(?P<word>[\w.~+/=-]{4,})
    |(?P<scheme>Bearer)[ ]+(?P<bearer>(?=[\w.~+/=-]*\d)[\w.~+/=-]{8,})""",
    re.VERBOSE | re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"""//(?:[^/@\s:"']++:(?P<word>[^/@\s"']++)|(?P<user>(?=[^/@\s:"'\d]*+\d)[^/@\s:"']{20,}+))@"""
)
"""The address of a login by a password, or by a token instead of the name of the user."""
_PLACEHOLDER = re.compile(
    r"[.…*x]*|[<${%(].*|(str|bytes|int|float|bool|object|Any|None|none|null|true|false|True|False)"
    r"|password|(self|cls|os)\..*|\d+(\.\d+)+\w*"
)
"""What stands for a value, a type, or a version."""
_VARIABLE = re.compile(r"[A-Za-z_][\w.]*")
_NUMBER = re.compile(r"[+-]?[\d._]+(e[+-]?\d+)?")
_SHORTEST = 6


@dataclass(frozen=True)
class FoundSecret:
    """Where a text holds what sounds like a secret.

    Attributes
    ----------
    name
        What it is called there.
    line
        The number of its line, from 1.
    start, end
        Where its value is in the text.
    """

    name: str
    line: int
    start: int
    end: int


def is_secret_name(name: str) -> bool:
    """Return whether the value of a variable or setting `name` should not be kept or shown."""
    return _SECRET.search(name) is not None


def find_secrets(text: str, *, is_code: bool = False) -> Iterator[FoundSecret]:
    """Yield what sounds like a secret in a text: assignments, headers, and logins in addresses.

    Numbers, placeholders, and the names of variables are no secrets.

    Parameters
    ----------
    text
        A script, a log, JSON, TOML, or another text.
    is_code
        Whether it is Python, in which only quoted texts are values.
    """
    for escape in (r"\n", r"\r", r"\t"):  # of JSON, where a name may follow
        text = text.replace(escape, "  ")
    found = [(*_of_login(each), "the login of an address") for each in _ADDRESS.finditer(text)]
    lower = text.lower()
    if any(word in lower for word in _WORDS):
        found += _assigned(text, is_code=is_code)
        found += (_of_header(each) for each in _HEADER.finditer(text))
    line, counted = 1, 0
    for start, end, name in sorted(found):
        if not _is_no_value(text[start:end].strip("'\"\\")):
            line += text.count("\n", counted, start)
            counted = start
            yield FoundSecret(name, line, start, end)


def masked(value: Any, name: str = "") -> Any:
    """Return a value with `HIDDEN` in place of what sounds like a secret.

    Parameters
    ----------
    value
        A JSON value.
    name
        Its name, if it has one.
    """
    if isinstance(value, str):
        if is_secret_name(name):
            return HIDDEN
        end, parts = 0, []
        for each in find_secrets(value):
            if each.start >= end:
                parts += [value[end : each.start], HIDDEN]
                end = each.end
        return _LOGIN.sub(f"//{HIDDEN}@", "".join([*parts, value[end:]]))
    if isinstance(value, list):
        return [masked(each) for each in value]
    if isinstance(value, dict):
        return {key: masked(each, str(key)) for key, each in value.items()}
    return value


def _of_login(match: re.Match[str]) -> tuple[int, int]:
    """Return where the password of an address is."""
    return match.span("user" if match["word"] is None else "word")


def _of_header(match: re.Match[str]) -> tuple[int, int, str]:
    """Return where the value of a header is, and the name of it."""
    if match["word"] is None:
        return (*match.span("bearer"), match["scheme"])
    return (*match.span("word"), match["name"])


def _assigned(text: str, *, is_code: bool) -> Iterator[tuple[int, int, str]]:
    """Yield where the value of each name of a secret is, with its quotes, and the name."""
    names, values = (_ASSIGNED_IN_CODE, _LITERAL) if is_code else (_ASSIGNED, _VALUE)
    at = 0
    while (named := names.search(text, at)) is not None:
        at = named.end("name")
        if not _names_a_secret(named["name"]):
            continue
        value = values.match(text, named.end())
        if value is None:
            continue
        if value["quote"] is not None:
            yield value.start("quote"), value.end(), named["name"]
        elif _is_plausible(named["name"], named["sign"], value["word"]):
            at = value.end()
            yield value.start(), value.end(), named["name"]


def _names_a_secret(name: str) -> bool:
    """Return whether the variable or key `name` of a text would hold a secret itself."""
    last = name.rpartition(".")[2].replace("-", "_")
    if not is_secret_name(last) or _SEVERAL.fullmatch(last):
        return False
    return "webhook" in last.lower() or not _OF_A_SECRET.search(last)


def _is_no_value(text: str) -> bool:
    """Return whether a text stands for a value, or is the name of a variable that has one."""
    plain = text.strip().rstrip(",)")
    if _PLACEHOLDER.fullmatch(plain):
        return True
    return bool(_VARIABLE.fullmatch(plain)) and is_secret_name(plain.rpartition(".")[2])


def _is_plausible(name: str, sign: str, word: str) -> bool:
    """Return whether a word without quotes is the value of a name, not a number or prose.

    After a blank or a colon, prose may follow: ``unexpected token: end of line``.
    """
    if sign == "=":
        return True
    if _NUMBER.fullmatch(word.rstrip(",")):
        return False
    is_variable = name.isupper() or "_" in name or "-" in name
    return is_variable or (len(word) >= _SHORTEST and any(each.isdigit() for each in word))
