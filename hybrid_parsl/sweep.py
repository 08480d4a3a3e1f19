"""``[sweep]``: keys of an experiment that take several values, and the points that they make."""

from __future__ import annotations

import functools
import itertools
import math
import operator
import re
import tomllib
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import nearest, printable, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

KEY = "sweep"
MOST_POINTS = 100_000
Values = dict[str, Any]
"""The value of each swept key, by its dotted name."""
_FIXED = {"workflow.name"}
_NO_TABLES = {"name", KEY}
_PLAIN = re.compile(r"[\w-]+(\.[\w-]+)*")
_PLAIN_WORDS = "letters, digits, _ and -, with dots between the parts, such as ansatz.layers"
_VALID = "a list of values, or one of { range = [start, stop, step] }, " + ", ".join(
    f"{{ {word} = [first, last, number] }}" for word in ("linspace", "geomspace")
)


class Sweep(BaseModel):
    """``[sweep]``: dotted keys of the experiment with their values, and how to combine them.

    Attributes
    ----------
    combine
        ``product``: every combination, the last key varies fastest; ``zip``: the first values of
        all keys, then the second ones.
    exclude
        Tables of keys with a value, or a list of values: points that agree with all keys of one
        table are left out.

    All other keys are swept: a list of values, or a table with one of ``range`` (start, stop,
    and step if it is not 1, as Python's ``range``), ``linspace`` and ``geomspace`` (first, last,
    and how many numbers, as NumPy's).
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    __pydantic_extra__: dict[str, Any] = Field(init=False)

    combine: Literal["product", "zip"] = "product"
    exclude: list[dict[str, Any]] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _join_keys(cls, values: Any) -> Any:
        """Let ``ansatz.layers`` be the same with and without quotes; the last one counts."""
        if not isinstance(values, dict):
            return values
        own = {key: each for key, each in values.items() if key in cls.model_fields}
        excluded = own.get("exclude")
        if isinstance(excluded, list):
            own["exclude"] = [
                dict(_flat(each)) if isinstance(each, dict) else each for each in excluded
            ]
        others = {key: each for key, each in values.items() if key not in own}
        return {**own, **dict(_flat(others))}

    @model_validator(mode="after")
    def _check(self) -> Sweep:
        """Refuse keys and values that make no points."""
        axes = self.axes
        if not axes:
            raise ConfigurationError("has no keys", None, KEY, valid='"ansatz.layers" = [1, 2, 3]')
        if self.combine == "zip":
            lengths = {key: len(values) for key, values in axes.items()}
            if len(set(lengths.values())) > 1:
                found = ", ".join(f"{key}: {number}" for key, number in lengths.items())
                valid = 'as many values of each key, or combine = "product"'
                raise ConfigurationError("does not fit together", None, KEY, found, valid)
        n_points = self._n_combinations(axes)
        if n_points > MOST_POINTS:
            valid = f"at most {MOST_POINTS}"
            raise ConfigurationError("makes too many points", None, KEY, str(n_points), valid)
        known = {key: set(map(toml_text, values)) for key, values in axes.items()}
        for number, table in enumerate(self.exclude):
            _check_exclusion(table, axes, known, f"{KEY}.exclude.{number}")
        if not self.points():
            message = "excludes every point"
            raise ConfigurationError(message, None, f"{KEY}.exclude", shown(self.exclude))
        return self

    @functools.cached_property
    def axes(self) -> dict[str, list[Any]]:
        """The values of each key.

        Raises
        ------
        ConfigurationError
            If a key cannot be swept, or its values are not valid.
        """
        return {key: _values(key, spec) for key, spec in (self.__pydantic_extra__ or {}).items()}

    def _n_combinations(self, axes: Mapping[str, Sequence[Any]]) -> int:
        """Return the number of points before any is excluded."""
        lengths = [len(values) for values in axes.values()]
        return lengths[0] if self.combine == "zip" else math.prod(lengths)

    def points(self) -> list[Values]:
        """Return the values of each point, in their order."""
        agreeing = [_agreeing(key, values, self.exclude) for key, values in self.axes.items()]
        rows = zip(self._combined(self.axes.values()), self._combined(agreeing), strict=True)
        return [
            dict(zip(self.axes, values, strict=True))
            for values, tables in rows
            if not functools.reduce(operator.and_, tables)
        ]

    def _combined(self, columns: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
        """Return an item of each column for each point, in the order of the points."""
        if self.combine == "zip":
            return zip(*columns, strict=True)
        return itertools.product(*columns)


def sweep_assignment(text: str) -> str:
    """Return ``KEY=VALUES`` of the command line as an assignment to the table ``[sweep]``.

    The values are TOML, separated by commas; bare words are texts. Or they are a table, as
    ``{range=[0, 20]}``.

    Raises
    ------
    ConfigurationError
        If it has no key or no values, or they are nested too deeply.
    """
    key, equals, given = (part.strip() for part in text.partition("="))
    if not (key and equals and given):
        message, valid = "a sweep is KEY=VALUES", "for example ansatz.layers=1,2,3"
        raise ConfigurationError(message, "--sweep", None, shown(text), valid)
    _check_key(key, None, "--sweep")
    if given.startswith("{") or key in Sweep.model_fields:
        return f"{KEY}.{key}={given}"
    try:
        return f"{KEY}.{key}={toml_text(_listed(given))}"
    except RecursionError as error:
        message, valid = "is nested too deeply", "values, or lists of values"
        raise ConfigurationError(message, "--sweep", key, shown(given), valid) from error


def _listed(given: str) -> list[Any]:
    """Return values that are separated by commas."""
    try:
        values: list[Any] = tomllib.loads(f"v = [{given}]")["v"]
    except ValueError:
        return [_bare(word.strip()) for word in given.split(",")]
    return values


def _bare(word: str) -> Any:
    """Return a word as TOML reads it, else as it is."""
    try:
        return tomllib.loads(f"v = {word}")["v"]
    except ValueError:
        return word


def in_words(values: Values) -> str:
    """Return the values of a point as a text for people."""
    return ", ".join(f"{key} = {toml_text(value)}" for key, value in values.items())


def toml_text(value: Any) -> str:
    """Return a value as TOML writes it, in one line; ``null``, which TOML lacks, for None."""
    if value is None:
        return "null"
    if type(value) is int:
        return str(value)
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{toml_text(key)} = {toml_text(each)}" for key, each in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(toml_text(each) for each in value) + "]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").rstrip("\n")


def value_text(value: Any) -> str:
    """Return a value for people: a text as it is, others as TOML writes them."""
    return value if isinstance(value, str) else toml_text(value)


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys of nested tables, up to tables that describe values."""
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and not value.keys() & _SPANS.keys():
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _check_key(key: str, place: str | None, source: str | None = None) -> None:
    """Refuse a key that an experiment could not have.

    Raises
    ------
    ConfigurationError
        If it has blanks, empty parts, or characters that only quoted keys of TOML may have.
    """
    if not _PLAIN.fullmatch(key):
        raise ConfigurationError("is no plain key", source, place, shown(key), _PLAIN_WORDS)


def _values(key: str, spec: Any) -> list[Any]:
    """Return the values of a swept key.

    Raises
    ------
    ConfigurationError
        If the key cannot be swept, or the values are not valid.
    """
    place = f"{KEY}.{printable(key)}"
    _check_key(key, place)
    if "." not in key or key in _FIXED or key.partition(".")[0] in _NO_TABLES:
        message = "cannot be swept"
        valid = "a key in a table of the experiment, such as ansatz.layers"
        raise ConfigurationError(message, None, place, printable(key), valid)
    values = _span(spec, place) if isinstance(spec, dict) else spec
    if not isinstance(values, list):
        raise ConfigurationError("has no list of values", None, place, shown(spec), _VALID)
    if not values:
        raise ConfigurationError("has no values", None, place, shown(spec), _VALID)
    known: set[str] = set()
    for text in map(toml_text, values):
        if text in known:
            raise ConfigurationError("has a value twice", None, place, printable(text))
        known.add(text)
    return values


def _span(spec: Mapping[str, Any], place: str) -> list[Any]:
    """Return the values of ``range``, ``linspace`` or ``geomspace``.

    Raises
    ------
    ConfigurationError
        If it has another form.
    """
    word, arguments = next(iter(spec.items()), ("", []))
    others = len(spec) > 1
    if word == "range" and isinstance(arguments, list) and not others:
        odd = [each for each in arguments if type(each) is not int]
        if odd:
            message, valid = "needs whole numbers", "{ range = [start, stop, step] }, or linspace"
            raise ConfigurationError(message, None, place, shown(odd[0]), valid)
    whole = isinstance(arguments, list) and all(type(each) is int for each in arguments)
    real = isinstance(arguments, list) and all(type(each) in (int, float) for each in arguments)
    try:
        if not others and word in _SPANS and (whole if word == "range" else real):
            return _SPANS[word](*arguments)
    except ValueError as error:
        raise ConfigurationError(str(error), None, place, shown(dict(spec)), _VALID) from error
    except TypeError:  # another number of arguments
        pass
    raise ConfigurationError("has no list of values", None, place, shown(dict(spec)), _VALID)


def _range(start: int, stop: int, step: int = 1) -> list[int]:
    """Return the numbers from `start` to before `stop`."""
    if step == 0:
        message = "the step should not be 0"
        raise ValueError(message)
    numbers = range(start, stop, step)
    if numbers[MOST_POINTS:]:  # its length may be too large for len
        message = f"has more than {MOST_POINTS} values"
        raise ValueError(message)
    return list(numbers)


def _spaced(place: Callable[[float], float], first: float, last: float, number: float) -> list[Any]:
    """Return `number` values from `first` to `last`: `place` maps 0 to 1 to what is between."""
    if type(number) is not int or not 1 <= number <= MOST_POINTS:
        message = f"the number of values should be 1 to {MOST_POINTS}"
        raise ValueError(message)
    inner = [place(each / (number - 1)) for each in range(1, number - 1)]
    values = [first, *(float(f"{each:.15g}") for each in inner), last] if number > 1 else [first]
    if type(first) is type(last) is int and all(each == int(each) for each in values):
        return [int(each) for each in values]
    return values


def _linspace(first: float, last: float, number: float) -> list[Any]:
    """Return numbers with equal differences."""
    difference = last - first
    if not math.isfinite(difference):
        message = "first and last are too far apart: their difference is no finite number"
        raise ValueError(message)
    return _spaced(lambda share: first + share * difference, first, last, number)


def _geomspace(first: float, last: float, number: float) -> list[Any]:
    """Return numbers with equal ratios."""
    if 0 in (first, last) or (first > 0) != (last > 0):
        message = "first and last should have one sign, and not be 0"
        raise ValueError(message)
    ratio = last / first
    if ratio == 0 or not math.isfinite(ratio):
        message = "first and last are too far apart: their ratio is 0 or no finite number"
        raise ValueError(message)
    return _spaced(lambda share: first * ratio**share, first, last, number)


_SPANS: dict[str, Callable[..., list[Any]]] = {
    "range": _range,
    "linspace": _linspace,
    "geomspace": _geomspace,
}


def _check_exclusion(
    table: Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
    known: Mapping[str, set[str]],
    place: str,
) -> None:
    """Refuse an exclusion that could not leave out any point.

    Parameters
    ----------
    table
        The exclusion.
    axes
        The values of each key.
    known
        The same as TOML writes them.
    place
        The dotted key of the exclusion.

    Raises
    ------
    ConfigurationError
        If a key or a value in it is not swept, or a key has no values.
    """
    for key, given in table.items():
        if key not in axes:
            near, valid = nearest(key, list(axes)), ", ".join(axes)
            raise ConfigurationError("is not swept", None, place, printable(key), valid, near)
        odd = [each for each in _alternatives(given) if toml_text(each) not in known[key]]
        if odd or given == []:
            message = "is not one of the values" if odd else "has no values"
            found = in_words({key: odd[0] if odd else given})
            valid = ", ".join(map(toml_text, axes[key][:20]))
            raise ConfigurationError(message, None, place, found, valid)


def _agreeing(key: str, values: Sequence[Any], tables: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return which tables of exclusions each value of a key agrees with: bit n is for table n."""
    bits: defaultdict[str, int] = defaultdict(int)
    free = 0
    for number, table in enumerate(tables):
        if key not in table:
            free |= 1 << number
        else:
            for value in _alternatives(table[key]):
                bits[toml_text(value)] |= 1 << number
    return [free | bits[toml_text(value)] for value in values] if tables else [0] * len(values)


def _alternatives(given: Any) -> list[Any]:
    """Return the values that an exclusion names for a key."""
    return given if isinstance(given, list) else [given]
