"""Angles of more layers from those of fewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray


def interpolate_angles(parameters: Sequence[float], layers: int) -> NDArray[float64]:
    """Return a point for `layers` alternating layers from the optimum for fewer.

    Gammas and betas are interpolated linearly, one layer at a time.
    Source: Zhou, Wang, Choi, Pichler, Lukin, Phys. Rev. X 10, 021067 (2020), appendix B1.

    Parameters
    ----------
    parameters
        Gammas and then betas of q layers in radians, shape ``(2 q,)``.
    layers
        Number p of layers, at least q.

    Returns
    -------
    ndarray
        Gammas and then betas, shape ``(2 p,)``.

    Raises
    ------
    ConfigurationError
        If `parameters` are no angles of 1 to `layers` layers.
    """
    n_parameters = len(parameters)
    if n_parameters % 2 or not 0 < n_parameters <= 2 * layers:
        raise ConfigurationError(
            "is no point for these layers",
            "search",
            "start",
            f"{n_parameters} parameters",
            f"2 to {2 * layers}, two for each layer",
        )
    halves = np.asarray(parameters, dtype=np.float64).reshape(2, -1)
    while halves.shape[1] < layers:
        p = halves.shape[1]
        weights = np.arange(p + 1) / p
        padded = np.pad(halves, ((0, 0), (1, 1)))
        halves = weights * padded[:, :-1] + weights[::-1] * padded[:, 1:]
    return halves.ravel()
