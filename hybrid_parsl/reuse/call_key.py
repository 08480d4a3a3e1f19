"""The key of a call: a fingerprint of all that decides its result.

It covers the function with its source, the arguments, and the versions of what computes. Tables
of the experiment that a stage of this package does not use are left out: other shots need no
other search.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from concurrent.futures import Future
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.experiment import Experiment
from hybrid_parsl.optimize.registry import OPTIMIZERS
from hybrid_parsl.own_code import python_files
from hybrid_parsl.problems.registry import PROBLEMS, problem_class
from hybrid_parsl.quantum.registry import backend_target, open_backend
from hybrid_parsl.reuse.canonical import (
    CanonicalForm,
    NotReusableError,
    check_seeds,
    fingerprint,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import BaseModel

    from hybrid_parsl.stage_function import StageFunction

_FORMAT = 3
"""Changes whenever the same key would stand for something else."""
_PACKAGE = __name__.partition(".")[0]
_RESULTS = f"{_PACKAGE}.results"
USED_TABLES = {
    "hybrid_parsl.stages.search:search": ("problem", "ansatz", "search"),
    "hybrid_parsl.stages.quantum:sample": ("problem", "ansatz", "quantum"),
    "hybrid_parsl.stages.analysis:analyse": ("problem", "ansatz", "analysis"),
}
"""What the stages of this package read of an experiment; other functions may read all of it."""


def call_key(
    function: StageFunction,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    versions: Mapping[str, str],
    software: str = "",
    task_of: Callable[[Future[Any]], str | None] | None = None,
) -> str | None:
    """Return the key of a call, 64 hexadecimal digits; None if it is always carried out.

    That is, if a seed is None, a quantum backend is not reproducible, or an argument or the
    function has no fingerprint.

    Parameters
    ----------
    function, arguments, keywords
        The call.
    versions
        Versions of packages by name.
    software
        What identifies the software where the call runs; empty if it is the driver's.
    task_of
        Returns the name of the task whose result a future is, which stands for it; None if that
        is not known. Without it, arguments have to be results.
    """
    form = _CallForm(USED_TABLES.get(function.reference), task_of)
    try:
        bound = function.__signature__.bind(*arguments, **keywords)
        bound.apply_defaults()
        parts = {
            "format": _FORMAT,
            "function": function.reference,
            "code": function.code.fingerprint or form.source_of(function.__module__),
            "arguments": form.of(bound.arguments),
            "versions": dict(versions),
            "software": software,
        }
        if form.has_other_code or function.code.fingerprint:
            parts["installed"] = _installed()
        return fingerprint(parts)
    except Exception:  # noqa: BLE001 - an argument may raise anything; the call is carried out
        return None


def share_key(
    function: StageFunction,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    task_of: Callable[[Future[Any]], str | None],
) -> str | None:
    """Return the key of a call by which the points of a study share it; as `call_key`."""
    return call_key(function, arguments, keywords, {}, task_of=task_of)


class _CallForm(CanonicalForm):
    """The form of arguments, for a function that reads some tables of an experiment.

    Parameters
    ----------
    tables
        Their names; None for a function that is not of this package, which may read everything.
    task_of
        As for `call_key`.

    Attributes
    ----------
    has_other_code
        Whether code of other packages has been found, which may use any package.
    """

    def __init__(
        self,
        tables: tuple[str, ...] | None,
        task_of: Callable[[Future[Any]], str | None] | None = None,
    ) -> None:
        self._tables = tables
        self._task_of = task_of
        self.has_other_code = False

    def of_object(self, value: Any) -> Any:
        """Return the form of an object; a future is the name of its task.

        Raises
        ------
        NotReusableError
            If it has none.
        """
        if isinstance(value, Future) and self._task_of is not None:
            name = self._task_of(value)
            if name is not None:
                return {"result of": name}
        return super().of_object(value)

    def of_model(self, value: BaseModel) -> Any:
        """Return the form of a model; how a result was computed is not part of it here."""
        if isinstance(value, Experiment):
            return self._of_experiment(value)
        is_result = type(value).__module__ == _RESULTS and "execution" in type(value).model_fields
        if is_result and self._tables is not None:
            return super().of_model(value.model_copy(update={"execution": None}))
        return super().of_model(value)

    def source_of(self, module: str) -> str:
        """Return the fingerprint of the package of a module; nothing if it is this one.

        Raises
        ------
        NotReusableError
            If it has no source files.
        """
        package = module.partition(".")[0]
        if package == _PACKAGE:
            return ""
        self.has_other_code = True
        return _package_fingerprint(package)

    def _of_experiment(self, value: Experiment) -> Any:
        """Return the form of the tables that are read, and of the code that they name."""
        tables = self._tables or tuple(type(value).model_fields)
        dump = value.model_dump(mode="json", include=set(tables))
        if self._tables is not None:
            dump["problem"].pop("read_from")
            defaults = _problem_settings(value).model_dump(mode="json", fallback=repr)
            dump["problem"] = {**defaults, **dump["problem"]}
        code = {table: self._code_of(table, value) for table in tables}
        return {"experiment": dump, "code": code}

    def _code_of(self, table: str, value: Experiment) -> list[str]:
        """Return the fingerprints of the code that a table of an experiment names."""
        if table == "problem":
            check_seeds(dict(_problem_settings(value)))
            return [self._named(PROBLEMS.target(value.problem.kind), value)]
        if table == "search":
            return [self._named(OPTIMIZERS.target(value.search.method), value)]
        if table != "quantum":
            return []
        backend = open_backend(value.quantum)
        if not backend.is_reproducible:
            message = f"the backend {value.quantum.backend} is not reproducible"
            raise NotReusableError(message)
        check_seeds(dict(backend.options))
        source = self._named(backend_target(value.quantum.backend)[0], value)
        return [source, backend.fingerprint] if source else []  # ours: table and versions say all

    def _named(self, target: str, value: Experiment) -> str:
        """Return the fingerprint of the source of ``package.module:Class``."""
        module, colon, _ = target.partition(":")
        if not colon:  # a method of SciPy's
            return ""
        own = value.own_code.reached_from(module).fingerprint
        self.has_other_code |= bool(own)
        return own or self.source_of(module)


def _problem_settings(value: Experiment) -> BaseModel:
    """Return the settings of the problem of an experiment, with every default."""
    found: BaseModel = problem_class(value.problem.kind).Settings.model_validate(
        value.problem.settings
    )
    return found


@functools.cache
def _installed() -> str:
    """Return the fingerprint of the versions of all installed packages."""
    return fingerprint(sorted({f"{each.name} {each.version}" for each in distributions()}))


@functools.cache
def _package_fingerprint(package: str) -> str:
    """Return the fingerprint of all Python files of an imported package or module.

    Raises
    ------
    NotReusableError
        If it has none.
    """
    module = sys.modules.get(package)
    folders = list(map(Path, getattr(module, "__path__", ())))
    files = [(file, folder) for folder in folders for file in sorted(python_files(folder))]
    if not folders and (name := getattr(module, "__file__", None)):
        files = [(Path(name), Path(name).parent)]
    if not files:
        message = f"{package} has no source files"
        raise NotReusableError(message)
    digest = hashlib.sha256()
    for file, folder in files:
        digest.update(f"{file.relative_to(folder).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
