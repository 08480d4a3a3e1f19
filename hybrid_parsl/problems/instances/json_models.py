"""Instances in JSON: graphs of networkx (node-link) and models of dimod (BQM)."""

from __future__ import annotations

import ast
import json
from collections import Counter
from typing import Any

from hybrid_parsl.messages import shown
from hybrid_parsl.problems.instances.instance import Instance, InstanceError, Row
from hybrid_parsl.problems.instances.lines import decimal

_EDGE_KEYS = ("edges", "links")
_SERIALIZED = ("linear_biases", "quadratic_biases", "quadratic_head", "quadratic_tail")
_VARTYPES = {"BINARY": False, "SPIN": True}
_OF_PYTHON = ("(", "[", "'", '"')


def load_object(text: str) -> dict[str, Any]:
    """Return the object that `text` is in JSON.

    Raises
    ------
    InstanceError
        If it is not JSON, or not an object; or a key stands there twice.
    """
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_float=decimal)
    except RecursionError as error:
        raise InstanceError("is nested too deeply") from error
    except InstanceError:
        raise
    except json.JSONDecodeError as error:
        raise InstanceError(f"is not JSON: {error}") from error
    except ValueError as error:  # of one of its numbers
        raise InstanceError(str(error)) from error
    if not isinstance(found, dict):
        raise InstanceError("should be an object", "", shown(found))
    return found


def is_node_link(found: dict[str, Any]) -> bool:
    """Return whether an object has the keys of a graph of networkx."""
    return "nodes" in found and any(key in found for key in _EDGE_KEYS)


def is_bqm(found: dict[str, Any]) -> bool:
    """Return whether an object has the keys of a model of dimod."""
    return found.get("type") == "BinaryQuadraticModel" or {"linear", "quadratic"} <= set(found)


def read_node_link(text: str, first: int) -> Instance:
    """Read what ``networkx.node_link_data`` writes.

    Raises
    ------
    InstanceError
        If it is not such a graph, or is directed.
    """
    del first
    found = load_object(text)
    keys = [key for key in _EDGE_KEYS if key in found]
    if len(keys) != 1:
        raise InstanceError("should have one list of edges", "", ", ".join(keys) or None)
    if found.get("directed", False) is not False:
        raise InstanceError("is directed, MaxCut is of undirected graphs", "directed")
    nodes = _objects(found, "nodes")
    names = [_required(node, "id", f"nodes[{k}]") for k, node in enumerate(nodes)]
    index, base, labels = _numbering(names, "nodes")
    rows = []
    for k, edge in enumerate(_objects(found, keys[0])):
        place = f"{keys[0]}[{k}]"
        ends = [_required(edge, key, place) for key in ("source", "target")]
        weight = [edge["weight"]] if "weight" in edge else []
        others = sorted(set(edge) - {"source", "target", "key", "weight"})
        if others and not weight:
            message = "has attributes, but no weight among them"
            raise InstanceError(message, place, ", ".join(others), "weight")
        rows.append(Row(place, (*(_look_up(end, index, place) for end in ends), *weight)))
    return Instance(rows, nodes=len(names), first=base, labels=labels)


def read_bqm(text: str, first: int) -> Instance:
    """Read what ``dimod.BinaryQuadraticModel.to_serializable`` returns, or its plain form.

    The plain form has ``vartype``, ``linear`` (an object, or a list of biases), ``quadratic``
    (a list of ``[u, v, bias]``, or an object with keys ``"u,v"`` or ``"('u', 'v')"``) and
    ``offset``.

    Raises
    ------
    InstanceError
        If it is not such a model.
    """
    del first
    found = load_object(text)
    is_serialized = found.get("type") == "BinaryQuadraticModel"
    vartype = found.get("variable_type" if is_serialized else "vartype")
    if not isinstance(vartype, str) or vartype not in _VARTYPES:
        message = "does not say whether its variables are bits or spins"
        key = "variable_type" if is_serialized else "vartype"
        raise InstanceError(message, key, shown(vartype), " or ".join(_VARTYPES))
    names, linear, quadratic = (_serialized if is_serialized else _plain)(found)
    index, base, labels = _numbering(names, "variables")
    rows = []
    for k, (name, bias) in enumerate(zip(names, linear, strict=True)):
        place = f"linear[{k}]"
        node = _look_up(name, index, place)
        rows.append(Row(place, (node, node, bias)))
    for k, (u, v, bias) in enumerate(quadratic):
        place = f"quadratic[{k}]"
        ends = [_look_up(end, index, place) for end in (u, v)]
        if ends[0] == ends[1]:
            raise InstanceError("joins a variable to itself", place, shown(u))
        rows.append(Row(place, (*ends, bias)))
    offset = found.get("offset", 0.0)
    spins = _VARTYPES[vartype]
    return Instance(rows, len(names), base, labels=labels, spins=spins, offset=offset)


Model = tuple[list[Any], list[Any], list[tuple[Any, Any, Any]]]


def _serialized(found: dict[str, Any]) -> Model:
    """Return variables, linear and quadratic biases of a serialized model."""
    if found.get("use_bytes", False) is not False:
        message = "holds bytes, which are not JSON"
        raise InstanceError(message, "use_bytes", None, "to_serializable(use_bytes=False)")
    names = _list(found, "variable_labels")
    linear, biases, heads, tails = (_list(found, key) for key in _SERIALIZED)
    counts = {"num_variables": len(names), "num_interactions": len(biases)}
    for key, count in counts.items():
        if found.get(key, count) != count:
            raise InstanceError(f"the file holds {count}", key, shown(found[key]))
    if len(linear) != len(names) or not len(biases) == len(heads) == len(tails):
        sizes = {key: len(found[key]) for key in ("variable_labels", *_SERIALIZED)}
        raise InstanceError("holds lists of different lengths", "", shown(sizes))
    positions = range(len(names))
    for key, ends in (("quadratic_head", heads), ("quadratic_tail", tails)):
        odd = next((end for end in ends if type(end) is not int or end not in positions), None)
        if odd is not None:
            raise InstanceError(f"{shown(odd)} is not a variable", key)
    pairs = zip(heads, tails, biases, strict=True)
    return names, linear, [(names[head], names[tail], bias) for head, tail, bias in pairs]


def _plain(found: dict[str, Any]) -> Model:
    """Return variables, linear and quadratic biases of a model in plain JSON."""
    linear, quadratic = found.get("linear"), found.get("quadratic")
    if isinstance(linear, list):
        linear = dict(enumerate(linear))
    if not isinstance(linear, dict):
        raise InstanceError("should be an object or a list", "linear", shown(linear))
    if isinstance(quadratic, dict):
        quadratic = [[*_pair(key), bias] for key, bias in quadratic.items()]
    if not isinstance(quadratic, list):
        raise InstanceError("should be an object or a list", "quadratic", shown(quadratic))
    for k, each in enumerate(quadratic):
        if not isinstance(each, list) or len(each) != 3:  # noqa: PLR2004 - u, v, bias
            raise InstanceError("is not [u, v, bias]", f"quadratic[{k}]", shown(each))
    terms = [(_number_or_text(u), _number_or_text(v), bias) for u, v, bias in quadratic]
    biases = {_number_or_text(name): bias for name, bias in linear.items()}
    if len(biases) != len(linear):
        raise InstanceError("names a variable twice", "linear")
    for u, v, _ in terms:
        for end in (u, v):
            biases.setdefault(end, 0.0)
    return list(biases), list(biases.values()), terms


def _pair(key: str) -> list[Any]:
    """Return the two variables that the key of a quadratic bias names.

    Only brackets and quotes make it Python: in ``1e3,0x2``, the names are 1e3 and 0x2.
    """
    found: Any = [part.strip() for part in key.split(",")]
    if key.strip().startswith(_OF_PYTHON):
        try:
            found = ast.literal_eval(key.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found = None
    if not isinstance(found, tuple | list) or len(found) != 2:  # noqa: PLR2004 - two variables
        raise InstanceError("does not name two variables", "quadratic", shown(key))
    return list(found)


def _number_or_text(name: Any) -> int | str:
    """Return the name of a variable; keys of JSON are text even where names are numbers."""
    text = str(name)
    return int(text) if text.isascii() and text.isdigit() and text == str(int(text[:9])) else text


def _numbering(names: list[Any], place: str) -> tuple[dict[str, int], int, list[str]]:
    """Return the number of each name, the first of them, and labels if names are not numbers.

    Whole numbers from 0 or from 1 without a gap stay; other names are numbered in their order.
    """
    keys = [_key(name) for name in names]
    if len(set(keys)) != len(keys):
        raise InstanceError("names a node twice", place, _repeated(keys))
    if not names:
        raise InstanceError("names no node", place)
    if all(type(name) is int for name in names):
        first = min(names)
        if first in (0, 1) and max(names) == first + len(names) - 1:
            return dict(zip(keys, names, strict=True)), first, []
    labels = [name if isinstance(name, str) else key for name, key in zip(names, keys, strict=True)]
    for label in labels:
        if any("\ud800" <= character <= "\udfff" for character in label):  # no file can hold it
            raise InstanceError("has half of a surrogate pair in a name", place, shown(label))
    return {key: k for k, key in enumerate(keys)}, 0, labels


def _key(name: Any) -> str:
    """Return something to look a name up by; 1 and "1" are two names."""
    return json.dumps(name, sort_keys=True)


def _look_up(name: Any, index: dict[str, int], place: str) -> int:
    """Return the number of a name."""
    found = index.get(_key(name))
    if found is None:
        raise InstanceError(f"{shown(name)} is not one of the nodes", place)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, or refuse one in which a key stands twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        repeated = _repeated([name for name, _ in pairs])
        raise InstanceError("names a key twice", "", shown(repeated))
    return found


def _repeated(names: list[str]) -> str:
    """Return the most frequent of `names`."""
    return Counter(names).most_common(1)[0][0]


def _list(found: dict[str, Any], key: str) -> list[Any]:
    """Return the list at `key`."""
    value = found.get(key)
    if not isinstance(value, list):
        raise InstanceError("should be a list", key, shown(value))
    return value


def _objects(found: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the list of objects at `key`."""
    for k, each in enumerate(_list(found, key)):
        if not isinstance(each, dict):
            raise InstanceError("should be an object", f"{key}[{k}]", shown(each))
    return _list(found, key)


def _required(found: dict[str, Any], key: str, place: str) -> Any:
    """Return the value at `key`, which has to be there."""
    if key not in found:
        raise InstanceError(f"has no {key}", place, shown(found))
    return found[key]
