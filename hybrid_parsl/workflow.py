"""The workflows of a project: functions that call apps, found by name, with typed options."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    PydanticSchemaGenerationError,
    ValidationError,
    create_model,
)
from pydantic_core import to_json

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment_file import explain
from hybrid_parsl.messages import nearest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from hybrid_parsl.experiment import Experiment, WorkflowTable

_STRICT = ConfigDict(extra="forbid", strict=True)
_TABLE = "workflow"
REQUIRED = "required"
"""Stands for the default of an option that has none."""


@dataclass(frozen=True)
class Workflow:
    """A function that takes an experiment and calls apps.

    Attributes
    ----------
    name
        The function's name.
    function
        Called as ``function(experiment, **options)``.
    options
        The keyword parameters of the function as a model.
    """

    name: str
    function: Callable[..., Any]
    options: type[BaseModel]

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def bind(self, table: WorkflowTable) -> dict[str, Any]:
        """Return the options that the table ``[workflow]`` gives, with the defaults of the others.

        Raises
        ------
        ConfigurationError
            If an option is unknown, missing or invalid.
        """
        found = self._validated(table)
        return {name: getattr(found, name) for name in self.options.model_fields}

    def complete(self, table: WorkflowTable) -> dict[str, Any]:
        """Return the table with every option, as a file can hold it.

        Raises
        ------
        ConfigurationError
            If an option is unknown, missing or invalid.
        """
        options = self._validated(table).model_dump(mode="json", exclude_none=True)
        return {**options, "name": self.name}

    def _validated(self, table: WorkflowTable) -> BaseModel:
        """Return the options; JSON's rules give lists and text the types that are wanted."""
        try:
            return self.options.model_validate_json(to_json(table.options))
        except ValidationError as error:
            raise explain(error, self.options, _TABLE) from error

    def __call__(self, experiment: Experiment) -> Any:
        """Call the function with the options that the experiment gives."""
        return self.function(experiment, **self.bind(experiment.workflow))


def workflows_in(module: ModuleType) -> dict[str, Workflow]:
    """Return the workflows of a project's module ``apps.workflows`` by name.

    These are its public functions, and those that it imports from other modules of ``apps``, whose
    signature is that of a workflow.

    Raises
    ------
    ConfigurationError
        If the type of an option cannot be validated.
    """
    found = _public_functions(module)
    return {
        name: Workflow(name, function, _options(function, module))
        for name, function in found.items()
        if _fault(function) is None
    }


def find_workflow(module: ModuleType, name: str) -> Workflow:
    """Return the workflow `name` of a project's module ``apps.workflows``.

    Raises
    ------
    ConfigurationError
        If there is none of that name, or its signature is not that of a workflow.
    """
    functions = _public_functions(module)
    if name not in functions:
        known = [each for each, function in functions.items() if _fault(function) is None]
        valid = ", ".join(known) or f"nothing: {module.__file__} defines no workflow"
        key = f"{_TABLE}.name"
        raise ConfigurationError("no such workflow", None, key, name, valid, nearest(name, known))
    function = functions[name]
    if (fault := _fault(function)) is not None:
        source = f"{module.__file__}, workflow {name}"
        valid = "a function of (experiment, *, option=default, ...)"
        raise ConfigurationError(fault, source, None, str(inspect.signature(function)), valid)
    return Workflow(name, function, _options(function, module))


def _public_functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Return the functions of a module that may be workflows."""
    package = module.__name__.partition(".")[0]
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and not name.startswith("_")
        and value.__module__.partition(".")[0] == package
    }


def _fault(function: Callable[..., Any]) -> str | None:
    """Return why a signature is not that of a workflow, None if it is."""
    parameters = list(inspect.signature(function).parameters.values())
    options = parameters[1:]
    variadic = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    if not parameters or parameters[0].kind in (*variadic, inspect.Parameter.KEYWORD_ONLY):
        return "takes no experiment"
    if any(each.kind in variadic for each in options):
        return "options must be named parameters"
    if any(each.name == "name" for each in options):
        return "no option can be called name: that is the workflow's"
    return None


def _options(function: Callable[..., Any], module: ModuleType) -> type[BaseModel]:
    """Return the model of a workflow's keyword parameters, all but the first.

    Raises
    ------
    ConfigurationError
        If a type cannot be validated.
    """
    source = f"{module.__file__}, workflow {function.__name__}"
    others = list(inspect.signature(function).parameters.values())[1:]
    hints = _hints(function)
    fields: Any = {
        each.name: (
            hints.get(each.name, Any),
            ... if each.default is inspect.Parameter.empty else each.default,
        )
        for each in others
    }
    try:
        return create_model(function.__name__, __config__=_STRICT, **fields)
    except (PydanticSchemaGenerationError, NameError) as error:
        raise ConfigurationError(f"invalid option type: {error}", source) from error


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of a function's parameters.

    Names that are imported for type checkers only, as an experiment's usually is, count as Any.
    """
    scope = vars(sys.modules[function.__module__])
    hints = {}
    for name, annotation in inspect.get_annotations(function).items():
        try:
            hints[name] = eval(annotation, scope) if isinstance(annotation, str) else annotation  # noqa: S307 - the project's own code
        except NameError:
            hints[name] = Any
    return hints


def describe_options(workflow: Workflow) -> list[dict[str, str]]:
    """Return name, type and default of each option of a workflow, as text."""
    return [
        {
            "option": name,
            "type": _type_name(field.annotation),
            "default": REQUIRED if field.is_required() else repr(field.default),
        }
        for name, field in workflow.options.model_fields.items()
    ]


def _type_name(annotation: Any) -> str:
    """Return an annotation as its author would write it, without limits."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_name(parts[0])
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(_type_name, parts))
    if annotation is types.NoneType:
        return "None"
    if origin is not None:
        return str(annotation).replace("typing.", "")
    return getattr(annotation, "__name__", str(annotation))
