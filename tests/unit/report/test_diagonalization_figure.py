"""The figure of a diagonalization."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from hybrid_parsl.report.diagonalization_figure import draw_diagonalization


@pytest.mark.parametrize("exact", [None, -1.1, -1.0999999])
@pytest.mark.parametrize("energies", [[[-1.0]], [[-1.0, -1.05], [-1.1, -1.08], [-1.1]]])
def test_it_is_drawn(energies: list[list[float]], exact: float | None) -> None:
    text = draw_diagonalization(energies, -0.9, exact)
    root = ET.fromstring(text)
    assert float(root.attrib["width"].removesuffix("pt")) > (600 if exact is not None else 400)
    assert draw_diagonalization(energies, -0.9, exact) == text
