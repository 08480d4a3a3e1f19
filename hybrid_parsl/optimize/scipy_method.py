"""Any method of ``scipy.optimize.minimize`` as an optimiser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import create_model

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import shown
from hybrid_parsl.optimize.optimizer import Optimizer, OptimizerOptions

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from hybrid_parsl.experiment import Search
    from hybrid_parsl.optimize.start import Recorder

_TRUST = "maxiter initial_trust_radius max_trust_radius eta gtol"
_DIFFERENCES = "eps finite_diff_rel_step"

OPTIONS = {
    "Nelder-Mead": "maxiter maxfev initial_simplex xatol fatol adaptive",
    "Powell": "maxiter maxfev xtol ftol direc",
    "CG": f"maxiter gtol norm c1 c2 {_DIFFERENCES}",
    "BFGS": f"maxiter gtol norm xrtol c1 c2 hess_inv0 {_DIFFERENCES}",
    "Newton-CG": "maxiter xtol eps c1 c2",
    "L-BFGS-B": f"maxiter maxfun maxcor maxls ftol gtol {_DIFFERENCES}",
    "TNC": "maxfun maxCGit ftol xtol gtol eta stepmx accuracy minfev rescale scale offset "
    + _DIFFERENCES,
    "COBYLA": "maxiter rhobeg tol catol f_target",
    "COBYQA": "maxiter maxfev f_target feasibility_tol initial_tr_radius final_tr_radius scale",
    "SLSQP": f"maxiter ftol {_DIFFERENCES}",
    "trust-constr": "maxiter gtol xtol initial_tr_radius finite_diff_rel_step",
    "dogleg": _TRUST,
    "trust-ncg": _TRUST,
    "trust-exact": _TRUST,
    "trust-krylov": f"{_TRUST} inexact",
}
"""The options of each method, as SciPy documents them, without those that print or run in
parallel and those of constraints. A start is one computation on one core."""

_WITH_HESSIAN = {"dogleg", "trust-ncg", "trust-exact", "trust-krylov"}
_WITHOUT_GRADIENT = {"Nelder-Mead", "Powell", "COBYLA", "COBYQA"}
_WHOLE = {"maxiter", "maxfev", "maxfun", "maxcor", "maxls", "maxCGit"}
_FLAGS = {("Nelder-Mead", "adaptive"), ("COBYQA", "scale"), ("trust-krylov", "inexact")}
_LISTS = {"initial_simplex", "direc", "hess_inv0", "finite_diff_rel_step", "offset", "scale"}
_STEP = 1e-5


class ScipyMethod(Optimizer):
    """A method of ``scipy.optimize.minimize``, by the name that SciPy's documentation gives it.

    ``search.iterations`` and ``search.tolerance`` are SciPy's ``maxiter`` (``maxfun`` of TNC)
    and ``tol``, unless ``search.options`` says otherwise. Exact gradients are used by every
    method that can, if the problem has them; Hessians are differences of exact gradients.
    """

    def __init__(self, search: Search) -> None:
        method = search.method
        if method not in _WITHOUT_GRADIENT:
            needed = method in _WITH_HESSIAN or method == "Newton-CG"
            self.gradient = "required" if needed else "optional"
        self.Options = _options_model(method)
        super().__init__(search)

    def check(self, n_parameters: int) -> None:
        """Check that SciPy takes the options, on a quadratic function.

        Raises
        ------
        ConfigurationError
            If it does not.
        """
        if not self.search.options:
            return
        box = np.array([[0.0, 1.0]] * n_parameters)
        try:
            self.run(_Quadratic(n_parameters), box, 0)
        except Exception as error:  # SciPy may raise anything
            message = f"{self.search.method} of SciPy refuses them: {error}"
            found = shown(self.search.options)
            raise ConfigurationError(message, None, "search.options", found) from error

    def minimize(
        self,
        objective: Recorder,
        point: NDArray[float64],
        bounds: NDArray[float64],  # noqa: ARG002 - the search is free
        random: np.random.Generator,  # noqa: ARG002 - nothing is drawn
    ) -> None:
        """Minimise the energy from a point."""
        from scipy.optimize import minimize

        method = self.search.method
        differentiable = self.gradient != "unused" and objective.has_gradient
        limit = "maxfun" if method == "TNC" else "maxiter"
        given = self.options.model_dump(exclude_none=True)
        options = {
            name: np.array(value) if isinstance(value, list) else value
            for name, value in given.items()
        }
        minimize(
            objective.energy_and_gradient if differentiable else objective.energy,
            point,
            jac=differentiable or None,
            hess=(lambda at: _hessian(objective, at)) if method in _WITH_HESSIAN else None,
            method=method,
            tol=self.search.tolerance,
            callback=objective.mark,
            options={limit: self.search.iterations, **options},
        )


class _Quadratic:
    """The squared distance from the origin."""

    def __init__(self, n_parameters: int) -> None:
        self.n_parameters = n_parameters

    def energy(self, parameters: NDArray[float64]) -> float:
        """Return the square at `parameters`."""
        return float(parameters @ parameters)

    def energy_and_gradient(self, parameters: NDArray[float64]) -> tuple[float, NDArray[float64]]:
        """Return the square and its gradient."""
        return self.energy(parameters), 2 * parameters


def _options_model(method: str) -> type[OptimizerOptions]:
    """Return the model of the options of a method; None stands for SciPy's own default."""
    types: dict[str, Any] = {}
    for name in OPTIONS[method].split():
        kind: Any = int if name in _WHOLE else float
        if (method, name) in _FLAGS:
            kind = bool
        elif name in _LISTS:
            kind = float | list[Any]
        types[name] = (kind | None, None)
    return create_model("ScipyOptions", __base__=OptimizerOptions, **types)


def _hessian(objective: Recorder, point: NDArray[float64]) -> NDArray[float64]:
    """Return the second derivatives at a point by central differences of the gradient."""
    steps = _STEP * np.eye(len(point))
    rows = [
        objective.energy_and_gradient(point + step)[1]
        - objective.energy_and_gradient(point - step)[1]
        for step in steps
    ]
    matrix = np.array(rows) / (2 * _STEP)
    return (matrix + matrix.T) / 2
