"""Decides once in which format a file is, and refuses what could be read in two ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import ReadFrom
from hybrid_parsl.messages import nearest, shown
from hybrid_parsl.problems.instances.formats import (
    FORMATS,
    NUMERIC,
    SUFFIXES,
    Content,
    recognised,
)
from hybrid_parsl.problems.instances.instance import (
    InstanceError,
    Reading,
    check_graph,
    check_qubo,
    check_size,
)
from hybrid_parsl.problems.instances.lines import content_lines
from hybrid_parsl.problems.instances.numeric import are_triples, looks_counted
from hybrid_parsl.problems.instances.numpy_file import is_numpy, read_numpy
from hybrid_parsl.problems.settings import named_file, read_text

if TYPE_CHECKING:
    from pathlib import Path

AUTO = "auto"
FORMAT_KEY, FIRST_KEY = "problem.format", "problem.first_node"
_OTHER = {"graph": "kind = 'ising' and problem.qubo", "qubo": "kind = 'maxcut' and problem.edges"}


class _Request(NamedTuple):
    """What the settings ask of a file."""

    content: Content
    format: str
    first: int | None
    nodes: int | None


def read_instance(
    folder: Path, settings: dict[str, Any], key: str, content: Content
) -> tuple[Reading, ReadFrom]:
    """Read the file that the settings of a problem name.

    Parameters
    ----------
    folder
        The folder of the experiment.
    settings
        The keys of ``[problem]``: the file, and `format`, `first_node` and `nodes` if any.
    key
        The dotted key that names the file.
    content
        What the file should hold.

    Returns
    -------
    reading
        The instance, its nodes counted from 0.
    read_from
        What is to be reported about it.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, is not valid, or could be read in more than one way.
    """
    name = settings[key.rpartition(".")[2]]
    request = _request(settings, content)
    path = named_file(folder, name, key)
    try:
        found, reading = _read(path, key, request)
        check_size(reading)
    except InstanceError as error:
        place = f"{path}, {error.place}" if error.place else str(path)
        blamed = error.key or key
        raise ConfigurationError(
            error.message, place, blamed, error.found, error.valid or _valid(content)
        ) from error
    return reading, _report(name, found, reading, content)


def _read(path: Path, key: str, request: _Request) -> tuple[str, Reading]:
    """Return the format of a file and its content."""
    formats = FORMATS[request.content]
    if path.suffix == ".npy" or request.format == "npy" or is_numpy(path):
        if request.content != "qubo" or request.format not in (AUTO, "npy"):
            raise InstanceError("is a matrix in NumPy's format", "", None, _other_key(request))
        _variants(["npy"], request)
        return "npy", check_qubo(read_numpy(path))
    text = read_text(path, key)
    names = [request.format]
    if request.format == AUTO:
        names = _candidates(text, path.suffix.lower(), request)
    readings, faults = _attempt(text, _variants(names, request), request)
    if len(readings) == 1:
        return readings[0].format, readings[0].reading
    if readings:
        fault = InstanceError("can be read in more than one way")
    else:
        if recognised(text) or request.format != AUTO:
            raise faults[0]
        fault = faults[0]
        everything = [
            (name, first)
            for name in NUMERIC[request.content]
            for first in formats[name].selectable or formats[name].firsts
        ]
        readings, _ = _attempt(text, everything, request)
    fault.valid = fault.valid or _alternatives(readings, request.content) or None
    raise fault


class _Attempt(NamedTuple):
    """A file as one of several formats reads it."""

    format: str
    first: int
    reading: Reading


def _attempt(
    text: str, variants: list[tuple[str, int]], request: _Request
) -> tuple[list[_Attempt], list[InstanceError]]:
    """Return the variants in which a text can be read, and why it cannot in the others."""
    check = check_graph if request.content == "graph" else check_qubo
    readings, faults = [], []
    for name, first in variants:
        try:
            instance = FORMATS[request.content][name].read(text, first)
            readings.append(_Attempt(name, first, check(instance, request.nodes)))
        except InstanceError as error:
            faults.append(error)
    return readings, faults


def _alternatives(readings: list[_Attempt], content: Content) -> str:
    """Return what each reading finds, and the keys that settle that it is meant."""
    units = ("nodes", "edges") if content == "graph" else ("variables", "entries")
    texts = []
    for name, first, found in readings:
        keys = [f"{FORMAT_KEY} = '{name}'"]
        keys += [f"{FIRST_KEY} = {first}"] if FORMATS[content][name].selectable else []
        size = f"{found.nodes} {units[0]}"
        size += "" if found.instance.is_matrix else f", {len(found.edges)} {units[1]}"
        texts.append(f"{' and '.join(keys)} ({size})")
    return "; or ".join(texts)


def _candidates(text: str, suffix: str, request: _Request) -> list[str]:
    """Return the formats that a text may be in, the likeliest first."""
    named = recognised(text)
    if named is not None:
        if named not in FORMATS[request.content]:
            raise InstanceError(f"is in the format {named}", "", None, _other_key(request))
        return [named]
    with_header, *without = NUMERIC[request.content]
    lines = content_lines(text)
    if SUFFIXES.get(suffix) == with_header or looks_counted(lines):
        return [with_header]
    likeliest = max(without, key=lambda name: name == "triples" and are_triples(lines))
    return [likeliest, *(name for name in without if name != likeliest), with_header]


def _variants(names: list[str], request: _Request) -> list[tuple[str, int]]:
    """Return each format with each number that its first node may have."""
    formats = FORMATS[request.content]
    if request.first is None:
        return [(name, first) for name in names for first in formats[name].firsts]
    found = [(name, request.first) for name in names if request.first in formats[name].selectable]
    if not found:
        selectable = formats[names[0]].selectable
        counted = f"counts from {selectable[0]}" if selectable else "numbers its nodes itself"
        message = f"contradicts the format {names[0]}, which {counted}"
        raise InstanceError(message, "", str(request.first), "leave it out", FIRST_KEY)
    return found


def _request(settings: dict[str, Any], content: Content) -> _Request:
    """Return what the settings ask of a file.

    Raises
    ------
    ConfigurationError
        If a key does not hold what it should.
    """
    name, first, nodes = (settings.get(key) for key in ("format", "first_node", "nodes"))
    known = [AUTO, *FORMATS[content]]
    if name is not None and name not in known:
        likely = nearest(name, known) if isinstance(name, str) else None
        message = "unknown format"
        raise ConfigurationError(message, None, FORMAT_KEY, shown(name), ", ".join(known), likely)
    if first is not None and (type(first) is not int or first not in (0, 1)):
        message = "is not the number of a first node"
        raise ConfigurationError(message, None, FIRST_KEY, shown(first), "0 or 1")
    return _Request(content, name or AUTO, first, nodes if type(nodes) is int else None)


def _report(name: str, found: str, reading: Reading, content: Content) -> ReadFrom:
    """Return what is to be reported about a file."""
    instance = reading.instance
    pairs = {frozenset(each[:2]) for each in reading.edges if each.i != each.j and each.weight != 0}
    return ReadFrom(
        file=name,
        format=found,
        holds="spins" if instance.spins else content,
        nodes=reading.nodes,
        edges=len(reading.edges) if content == "graph" else len(pairs),
        first_node=None if instance.labels else instance.first,
        labels=list(instance.labels) or None,
        convention=FORMATS[content][found].convention or None if content == "qubo" else None,
    )


def _other_key(request: _Request) -> str:
    """Return what reads a file that holds the other kind of content."""
    return f"{_valid(request.content)}; {_OTHER[request.content]} for the others"


def _valid(content: Content) -> str:
    """Return what a file may hold."""
    what = "a graph" if content == "graph" else "a QUBO or an Ising model"
    return f"{what} in one of the formats {', '.join(FORMATS[content])}"
