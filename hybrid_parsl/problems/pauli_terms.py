"""Sums of Pauli operators as users write them: labels with coefficients, in a file or a list."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.problems.instances.lines import is_number, number
from hybrid_parsl.problems.settings import MOST_QUBITS, VALID_COEFFICIENT, is_coefficient
from hybrid_parsl.strict_json import parse_json

KEY = "problem.observable"
"""The dotted key that holds the terms."""

VALID = (
    "a label with a real coefficient each: letters I, X, Y and Z, qubit 0 rightmost, or letters "
    "with qubits such as X0 Z3"
)

_MOST_TERMS = 2**14
_PAIR = 2
_DENSE = re.compile(r"[IXYZ]+")
_SPARSE = re.compile(r"([IXYZ])([0-9]{1,4})")
_SEPARATOR = re.compile(r"[\s,;]+")


class Term(NamedTuple):
    """One term as it stands in a file or list.

    Attributes
    ----------
    place
        Where it stands, such as ``line 3``.
    label
        ``XIZ`` or ``X0 Z3``.
    coefficient
        What stands for its coefficient.
    """

    place: str
    label: Any
    coefficient: Any


def read_terms(text: str, source: str) -> tuple[str, list[Term]]:
    """Return the terms of a file, unchecked, and the name of its format.

    Parameters
    ----------
    text
        A JSON list of ``[label, coefficient]``, or lines with a label and a coefficient in either
        order, in which ``#`` begins a comment.
    source
        The name of the file, for errors.

    Raises
    ------
    ConfigurationError
        If it is neither.
    """
    if text.lstrip().startswith(("[", "{")):
        try:
            value = parse_json(text)
        except ValueError as error:
            message = f"is not JSON: {error}"
            raise ConfigurationError(message, source, KEY, valid=VALID) from error
        return "json", list_terms(value, source)
    terms = [
        _line_term(f"line {index}", words, source)
        for index, line in enumerate(text.split("\n"), start=1)
        if (words := [word for word in _SEPARATOR.split(line.partition("#")[0]) if word])
    ]
    return "text", terms


def list_terms(value: Any, source: str | None = None) -> list[Term]:
    """Return the terms of a list of ``[label, coefficient]``, unchecked.

    Raises
    ------
    ConfigurationError
        If it is not such a list.
    """
    if not isinstance(value, list):
        valid = "a list of [label, coefficient]"
        raise ConfigurationError("should be a list", source, KEY, shown(value), valid)
    for index, each in enumerate(value):
        if not isinstance(each, list | tuple) or len(each) != _PAIR:
            message = f"term {index + 1} is not a pair"
            raise ConfigurationError(message, source, KEY, shown(each), "[label, coefficient]")
    return [Term(f"term {index + 1}", *each) for index, each in enumerate(value)]


def _line_term(place: str, words: list[str], source: str) -> Term:
    """Return the term of a line: its coefficient is the first or the last word."""
    for at in (0, -1):
        if len(words) > 1 and _SPARSE.fullmatch(words[at]) is None and not words[at].isalpha():
            rest = words[1:] if at == 0 else words[:-1]
            return Term(place, " ".join(rest), _coefficient(words[at], place, source))
    words_of_numbers = {"nan", "inf", "infinity"}
    odd = next((word for word in words if word.lower() in words_of_numbers), None)
    message = f"{place} has no coefficient" if odd is None else f"{place} has no finite coefficient"
    raise ConfigurationError(message, source, KEY, shown(" ".join(words)), VALID)


def _coefficient(word: str, place: str, source: str) -> float | str:
    """Return the number that `word` writes, else the word, which `check_terms` refuses."""
    if not is_number(word):
        return word
    try:
        return number(word)
    except ValueError as error:
        raise ConfigurationError(f"{place}: {error}", source, KEY) from error


def check_terms(
    terms: list[Term], source: str | None = None, n_qubits: int = 0
) -> dict[str, float]:
    """Return the coefficient of each dense label, those of repeated labels added up.

    Parameters
    ----------
    terms
        As read.
    source
        The name of the file, for errors.
    n_qubits
        Minimum number of qubits, for labels that name qubits.

    Raises
    ------
    ConfigurationError
        If there is no term, or too many; a label or coefficient is not valid; the labels are not
        all of one form and, if they are dense, of one length; or nothing but a constant is left.
    """
    if not 1 <= len(terms) <= _MOST_TERMS:
        message = "has too many terms" if terms else "has no terms"
        valid = f"1 to {_MOST_TERMS} terms"
        raise ConfigurationError(message, source, KEY, f"{len(terms)} terms", valid)
    for term in terms:
        if fault := _fault(term):
            message = f"{term.place} {fault}"
            raise ConfigurationError(message, source, KEY, _text(term), VALID)
    labels = _dense_labels(terms, source, n_qubits)
    total: dict[str, float] = {}
    for label, term in zip(labels, terms, strict=True):
        total[label] = total.get(label, 0.0) + float(term.coefficient)
    found = {label: value for label, value in total.items() if value}
    if not set("".join(found)) - {"I"}:
        message = "holds nothing but a constant"
        raise ConfigurationError(message, source, KEY, shown(found), "terms with X, Y or Z")
    for label, value in found.items():
        if not is_coefficient(value):
            message = f"the terms {label} add up to {value:g}"
            raise ConfigurationError(message, source, KEY, label, VALID_COEFFICIENT)
    return found


def _fault(term: Term) -> str:
    """Return what is wrong with a term by itself; nothing if all is well."""
    if not isinstance(term.label, str) or not term.label.strip():
        return "has no label"
    return _coefficient_fault(term.coefficient) or _label_fault(term.label.split())


def _coefficient_fault(value: Any) -> str:
    """Return what is wrong with a coefficient; nothing if all is well."""
    if is_coefficient(value):
        return ""
    if type(value) in (int, float):
        return f"has a coefficient that is not {VALID_COEFFICIENT}"
    if isinstance(value, list) or _is_complex(value):
        return "has a complex coefficient: those of a Hermitian sum are real"
    return "has a coefficient that is not a number"


def _label_fault(tokens: list[str]) -> str:
    """Return what is wrong with the words of a label; nothing if all is well."""
    if len(tokens) == 1 and _DENSE.fullmatch(tokens[0]):
        return ""
    odd = next((token for token in tokens if not _SPARSE.fullmatch(token)), None)
    if odd is not None:
        return f"has a label with {shown(odd)}, which is not a product of I, X, Y and Z"
    qubits = [int(token[1:]) for token in tokens]
    return "names a qubit twice" if len(set(qubits)) < len(qubits) else ""


def _is_complex(value: Any) -> bool:
    """Return whether a word or value is a complex number."""
    try:
        complex(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return isinstance(value, complex | str) and not is_number(str(value))


def _dense_labels(terms: list[Term], source: str | None, least: int) -> list[str]:
    """Return the label of each term with a letter for each qubit.

    Raises
    ------
    ConfigurationError
        If the labels do not fit each other, or have too many qubits.
    """
    sparse = [term for term in terms if any(map(str.isdigit, term.label))]
    dense = [term for term in terms if term not in sparse]
    if sparse and (odd := next((term for term in dense if term.label.strip() != "I"), None)):
        message = f"{odd.place} has a label without qubits, but {sparse[0].place} one with qubits"
        raise ConfigurationError(message, source, KEY, _text(odd), "labels of one form")
    if sparse:
        parts = [_qubits_of(term.label) for term in terms]
        n_qubits = max(least, *(1 + max(part, default=0) for part in parts))
    else:
        first = dense[0]
        n_qubits = len(first.label.strip())
        if odd := next((term for term in dense if len(term.label.strip()) != n_qubits), None):
            message = f"{odd.place} has another number of qubits than {first.place}"
            valid = f"{n_qubits} letters"
            raise ConfigurationError(message, source, KEY, _text(odd), valid)
    if n_qubits > MOST_QUBITS:
        message = "has more qubits than any simulation of a state"
        valid = f"at most {MOST_QUBITS}"
        raise ConfigurationError(message, source, KEY, f"{n_qubits} qubits", valid)
    if not sparse:
        return [term.label.strip() for term in terms]
    return ["".join(part.get(q, "I") for q in reversed(range(n_qubits))) for part in parts]


def _qubits_of(label: str) -> dict[int, str]:
    """Return the letter of each qubit that a sparse label names."""
    matches = [_SPARSE.fullmatch(token) for token in label.split()]
    return {int(match[2]): match[1] for match in matches if match}


def _text(term: Term) -> str:
    """Return a term as a message shows it."""
    return shown([term.label, term.coefficient])
