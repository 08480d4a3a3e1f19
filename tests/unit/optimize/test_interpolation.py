from __future__ import annotations

import numpy as np
import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.optimize.interpolation import interpolate_angles


def test_the_formula_of_zhou_et_al() -> None:
    found = interpolate_angles([0.2, 0.6, 0.5, 0.1], 3)
    np.testing.assert_allclose(found, [0.2, 0.4, 0.6, 0.5, 0.3, 0.1], rtol=1e-15)
    np.testing.assert_allclose(interpolate_angles([0.2, 0.5], 2), [0.2, 0.2, 0.5, 0.5], rtol=1e-15)


def test_the_same_depth_changes_nothing() -> None:
    assert interpolate_angles([0.2, 0.6, 0.5, 0.1], 2).tolist() == [0.2, 0.6, 0.5, 0.1]


def test_several_layers_are_added_one_by_one() -> None:
    once = interpolate_angles([0.2, 0.6, 0.5, 0.1], 3)
    np.testing.assert_array_equal(
        interpolate_angles([0.2, 0.6, 0.5, 0.1], 5), interpolate_angles(once.tolist(), 5)
    )


@pytest.mark.parametrize(("parameters", "layers"), [([], 2), ([0.1], 2), ([0.1] * 6, 2)])
def test_what_is_no_point_of_fewer_layers(parameters: list[float], layers: int) -> None:
    with pytest.raises(ConfigurationError) as caught:
        interpolate_angles(parameters, layers)
    assert caught.value.key == "start"
