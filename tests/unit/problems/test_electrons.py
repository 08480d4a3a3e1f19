"""FCIDUMP files and geometries: what is read, and what is refused."""

from __future__ import annotations

import builtins
import contextlib
import importlib.util
from typing import Any

import numpy as np
import pytest
from fcidump_files import GROUND, H2, HARTREE_FOCK
from hypothesis import given, settings
from hypothesis import strategies as st
from services import require

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.problems.electrons import (
    Electrons,
    compute_electrons,
    parse_geometry,
    read_fcidump,
)

HEADER, BODY = H2.split(" &END\n")
PLACES = [(0, 1, 2, 0), (1, 0, 2, 0), (0, 1, 0, 2), (1, 0, 0, 2)]


@pytest.fixture(scope="session")
def pyscf() -> None:
    available = importlib.util.find_spec("pyscf") is not None
    require("pyscf", "hybrid-parsl[molecule]", available=available)


def hartree_fock(electrons: Electrons) -> float:
    """Return the energy of the lowest orbitals, all doubly occupied."""
    filled = range(electrons.n_alpha)
    h, g = electrons.one_body, electrons.two_body
    coulomb = sum(2 * g[i, i, j, j] - g[i, j, j, i] for i in filled for j in filled)
    return electrons.constant + 2 * sum(h[i, i] for i in filled) + float(coulomb)


def test_hydrogen() -> None:
    found = read_fcidump(H2, "h2")
    assert (found.n_orbitals, found.n_alpha, found.n_beta) == (2, 1, 1)
    assert found.constant == pytest.approx(0.7199689944489797)
    np.testing.assert_allclose(np.diag(found.one_body), [-1.25633907300325, -0.4718960072811418])
    assert hartree_fock(found) == pytest.approx(HARTREE_FOCK, abs=1e-10)


@pytest.mark.parametrize(
    "text",
    [
        H2.replace(" &END", " /"),
        H2.replace(" &END", " $END"),
        H2.replace(" &END", " &end").replace("&FCI", "&fci"),
        H2.replace("MS2=0,", ""),
        H2.replace("ORBSYM=1,1,", "ORBSYM=1,1, UHF=.FALSE., IUHF=0,"),
        "&FCI NORB = 2 NELEC = 2 MS2 = 0 /\n" + BODY,
        H2.replace("0.6757101548035163 ", "6.757101548035163D-01 "),
        H2.replace("0.6757101548035163 ", "6.757101548035163d-1 "),
        H2.replace("0.6757101548035163 ", ".6757101548035163E+00 "),
        H2.replace("\n", "\n\n"),
        H2 + " -0.57 1 0 0 0\n 0.67 2 0 0 0\n",
        H2.replace("2    1    2    1", "1    2    2    1"),
    ],
)
def test_all_variants_of_a_file_say_the_same(text: str) -> None:
    found, expected = read_fcidump(text, "h2"), read_fcidump(H2, "h2")
    assert (found.constant, found.n_alpha, found.n_beta) == (expected.constant, 1, 1)
    np.testing.assert_array_equal(found.one_body, expected.one_body)
    np.testing.assert_array_equal(found.two_body, expected.two_body)


@pytest.mark.parametrize("place", [*PLACES, *((r, t, p, q) for p, q, r, t in PLACES)])
def test_an_integral_has_eight_symmetric_places(place: tuple[int, ...]) -> None:
    found = read_fcidump("&FCI NORB=3,NELEC=2,MS2=0 &END\n 0.5 2 1 3 1\n 0.25 3 1 0 0\n", "a")
    assert found.two_body[place] == 0.5
    assert np.count_nonzero(found.two_body) == 8
    assert found.one_body[0, 2] == found.one_body[2, 0] == 0.25
    assert np.count_nonzero(found.one_body) == 2


def test_spins() -> None:
    found = read_fcidump(H2.replace("NELEC= 2,MS2=0", "NELEC=3,MS2=-1"), "h2")
    assert (found.n_alpha, found.n_beta) == (1, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        BODY,
        HEADER,
        HEADER + "&END",
        HEADER + "&END\n 0 1 1 0 0\n",
        HEADER + "&END\n 1.0 0 0 0 0\n",
        "&FCI &END\n 1.0 1 1 0 0\n",
        "&FCI &END",
        H2.replace("NORB=   2", "NORB=0"),
        H2.replace("NORB=   2", "NORB=21"),
        H2.replace("NORB=   2", "NORB=2.0"),
        H2.replace("NORB=   2", "NORB=1 2"),
        H2.replace("NORB=   2,", ""),
        H2.replace("NELEC= 2,", ""),
        H2.replace("NELEC= 2", "NELEC=-2"),
        H2.replace("NELEC= 2", "NELEC=5"),
        H2.replace("NELEC= 2", "NELEC=3"),
        H2.replace("MS2=0", "MS2=1"),
        H2.replace("MS2=0", "MS2=4"),
        H2.replace("MS2=0", "MS2=0,UHF=.TRUE."),
        H2.replace("MS2=0", "MS2=0,UHF=T"),
        H2.replace("MS2=0", "MS2=0,IUHF=1"),
        H2 + "0.5 1 1 1\n",
        H2 + "0.5 1 1 1 1 1\n",
        H2 + "0.5 3 1 1 1\n",
        H2 + "0.5 -1 1 1 1\n",
        H2 + "0.5 1 1 1 0\n",
        H2 + "0.5 0 1 0 0\n",
        H2 + "0.5 0 0 1 1\n",
        H2 + "0.5 1 0 1 1\n",
        H2 + "nan 1 1 1 1\n",
        H2 + "inf 1 1 0 0\n",
        H2 + "1e999 1 1 0 0\n",
        H2 + "1e200 1 1 0 0\n",
        H2 + "(0.5,0.1) 1 1 0 0\n",
        H2 + "0.5 1.0 1 0 0\n",
        H2 + "1_0 1 1 0 0\n",
    ],
)
def test_a_bad_file_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_fcidump(text, "a.fcidump")
    assert (caught.value.key, caught.value.source) == ("problem.fcidump", "a.fcidump")


def test_a_bad_line_is_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_fcidump(H2 + "0.5 3 1 1 1\n", "a.fcidump")
    assert caught.value.found == "'0.5 3 1 1 1'"


DAMAGE = st.tuples(
    st.integers(0, len(H2)), st.integers(0, 20), st.text("0123456789 .-+eEdD=,/&\n", max_size=8)
)


@pytest.mark.usefixtures("thorough")
@settings(max_examples=200, deadline=None)
@given(st.lists(DAMAGE, min_size=1, max_size=4))
def test_a_damaged_file_is_read_or_refused(damage: list[tuple[int, int, str]]) -> None:
    text = H2
    for place, length, instead in damage:
        text = text[:place] + instead + text[place + length :]
    with contextlib.suppress(ConfigurationError):
        found = read_fcidump(text, "h2")
        assert np.isfinite(found.one_body).all()
        assert np.isfinite(found.two_body).all()


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        read_fcidump(text, "file")
    with contextlib.suppress(ConfigurationError):
        assert parse_geometry(text)


@pytest.mark.parametrize("header", ["&FCI " + "9" * 400_000, "&FCI" + "A=" * 200_000])
@pytest.mark.parametrize("end", ["", "/\n"])
def test_a_long_header_takes_no_time(header: str, end: str) -> None:
    with pytest.raises(ConfigurationError):
        read_fcidump(header + end, "a")


def test_a_geometry() -> None:
    expected = [("H", (0.0, 0.0, 0.0)), ("Li", (0.0, -1.5, 10.0))]
    assert parse_geometry("H 0 0 0; Li 0. -1.5 1e1") == expected
    assert parse_geometry("\n  H 0 0 .0\n\nLi 0 -15D-1 +10 ;") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ; \n",
        "H",
        "H 0 0",
        "H 0 0 0 0",
        "h 0 0 0",
        "1 0 0 0",
        "H 0 0 1.2.3",
        "H 0 0 nan",
        "H 0 0 1e999",
        "H 0 0 2000",
        "H 0 0 .",
        "H 0 0 0 H 0 0 1",
        "H 0 0 0; H 0 0 0",
        "H 0 0 0; Li 0 0 5; H 0 0 0.05",
        ";".join(f"H 0 0 {n}" for n in range(101)),
    ],
)
def test_a_bad_geometry_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_geometry(text)
    assert caught.value.key == "problem.geometry"


HYDROGEN, LITHIUM_HYDRIDE = "H 0 0 0; H 0 0 0.735", "Li 0 0 0; H 0 0 1.5949"


@pytest.mark.usefixtures("pyscf")
def test_pyscf_computes_the_integrals() -> None:
    found = compute_electrons(HYDROGEN, "sto-3g", 0, 0, None)
    assert (found.n_orbitals, found.n_alpha, found.n_beta) == (2, 1, 1)
    assert hartree_fock(found) == pytest.approx(HARTREE_FOCK, abs=1e-9)
    assert GROUND < HARTREE_FOCK


@pytest.mark.usefixtures("thorough", "pyscf")
@pytest.mark.parametrize("active", [None, (4, 3), (2, 2), (2, 5)])
def test_frozen_electrons_are_in_the_constant(active: tuple[int, int] | None) -> None:
    found = compute_electrons(LITHIUM_HYDRIDE, "sto-3g", 0, 0, active)
    n_electrons, n_orbitals = active or (4, 6)
    assert (found.n_orbitals, 2 * found.n_alpha) == (n_orbitals, n_electrons)
    assert hartree_fock(found) == pytest.approx(-7.862026959, abs=1e-6)


@pytest.mark.usefixtures("pyscf")
def test_unpaired_electrons() -> None:
    found = compute_electrons("O 0 0 0; O 0 0 1.2", "sto-3g", 0, 2, (8, 6))
    assert (found.n_alpha, found.n_beta) == (5, 3)
    found = compute_electrons(HYDROGEN, "sto-3g", 1, 1, None)
    assert (found.n_alpha, found.n_beta) == (1, 0)


@pytest.mark.usefixtures("thorough", "pyscf")
@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"geometry": "X 0 0 0; H 0 0 1"}, "geometry"),
        ({"geometry": "Xx 0 0 0; H 0 0 1"}, "geometry"),
        ({"basis": "unknown"}, "basis"),
        ({"basis": "../x"}, "basis"),
        ({"geometry": "U 0 0 0"}, "basis"),
        ({"basis": "cc-pvqz"}, "geometry"),
        ({"charge": 1}, "spin"),
        ({"spin": 1}, "spin"),
        ({"spin": 6}, "spin"),
        ({"charge": 4}, "spin"),
        ({"charge": 20, "spin": 0}, "spin"),
        ({"active": (3, 3)}, "active_electrons"),
        ({"active": (6, 6)}, "active_electrons"),
        ({"active": (2, 2), "spin": 4}, "active_electrons"),
        ({"active": (4, 1)}, "active_orbitals"),
        ({"active": (4, 7)}, "active_orbitals"),
        ({"active": (2, 6)}, "active_orbitals"),
    ],
)
def test_a_bad_molecule_is_refused(changes: dict[str, Any], key: str) -> None:
    usual = {"geometry": LITHIUM_HYDRIDE, "basis": "sto-3g", "charge": 0, "spin": 0, "active": None}
    with pytest.raises(ConfigurationError) as caught:
        compute_electrons(**(usual | changes))
    assert caught.value.key == f"problem.{key}"


def test_without_pyscf_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without_pyscf(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.partition(".")[0] == "pyscf":
            raise ImportError(name)
        return usual(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_pyscf)
    with pytest.raises(ConfigurationError, match=r"hybrid-parsl\[molecule\]") as caught:
        compute_electrons(HYDROGEN, "sto-3g", 0, 0, None)
    assert "problem.fcidump" in str(caught.value.valid)
