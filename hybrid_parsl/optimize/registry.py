"""Finds the optimiser that ``search.method`` names."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.optimize.optimizer import Optimizer
from hybrid_parsl.optimize.scipy_method import OPTIONS, ScipyMethod
from hybrid_parsl.plugins import PluginGroup

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Search

OPTIMIZERS = PluginGroup(
    what="search method",
    key="search.method",
    entry_points="hybrid_parsl.optimizers",
    built_in={
        "multistart": "hybrid_parsl.optimize.local:Multistart",
        "cobyla": "hybrid_parsl.optimize.local:Cobyla",
        "spsa": "hybrid_parsl.optimize.spsa:Spsa",
        "grid": "hybrid_parsl.optimize.points:Grid",
        "sobol": "hybrid_parsl.optimize.points:SobolPoints",
        "draw": "hybrid_parsl.optimize.points:Draw",
    },
    others=tuple(OPTIONS),
)


def optimizer_class(method: str) -> type[Optimizer]:
    """Return the class behind a search method.

    Raises
    ------
    ConfigurationError
        If no such method is known, or its class cannot be imported or is not an `Optimizer`.
    """
    if method in OPTIONS and method not in OPTIMIZERS.targets():
        return ScipyMethod
    found = OPTIMIZERS.load(method)
    if not (isinstance(found, type) and issubclass(found, Optimizer)):
        valid = "a subclass of hybrid_parsl.optimize.Optimizer"
        message = "is not an optimiser"
        raise ConfigurationError(message, None, OPTIMIZERS.key, shown(method), valid)
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        message = f"is not an optimiser: it does not define {missing}"
        raise ConfigurationError(message, None, OPTIMIZERS.key, shown(method))
    return found


def load_optimizer(search: Search) -> Optimizer:
    """Return the optimiser that the table ``[search]`` describes.

    Raises
    ------
    ConfigurationError
        If its method or a key or value of its options is not valid.
    """
    found = optimizer_class(search.method)
    with OPTIMIZERS.making(search.method):
        return found(search)


def check_gradient(optimizer: Optimizer, obstacle: str | None) -> None:
    """Refuse an optimiser that needs a gradient if the problem has none.

    Parameters
    ----------
    optimizer
        Of the search.
    obstacle
        Why the objective has no exact gradient; None if it has one.

    Raises
    ------
    ConfigurationError
        If it needs one.
    """
    if obstacle is None or optimizer.gradient != "required":
        return
    free = [name for name in OPTIMIZERS.built_in if optimizer_class(name).gradient != "required"]
    message = f"needs an exact gradient, which this problem does not have: {obstacle}"
    method = optimizer.search.method
    raise ConfigurationError(message, None, OPTIMIZERS.key, method, ", ".join(free))
