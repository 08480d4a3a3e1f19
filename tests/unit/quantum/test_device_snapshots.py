from __future__ import annotations

import pytest
from services import require_module

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.quantum import device_snapshots


@pytest.mark.parametrize("name", ["fez", "FakeFez", "fake_fez", "FAKE_FEZ", " Fez "])
def test_a_device_has_one_short_name(name: str) -> None:
    assert device_snapshots.short_name(name) == "fez"


def test_the_suffix_of_an_older_class_is_not_needed() -> None:
    assert device_snapshots.short_name("FakeManilaV2") == device_snapshots.short_name("manila")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_snapshots.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"hybrid-parsl\[ibm\]") as caught:
        device_snapshots.fake_device("fez", "fake:fez")
    assert caught.value.key == "quantum.backend"


def test_every_device_has_a_name() -> None:
    require_module(
        "hybrid_parsl.quantum.device_snapshots", "qiskit_ibm_runtime", "hybrid-parsl[ibm]"
    )
    names = device_snapshots.device_names()
    assert {"fez", "manila", "torino"} <= set(names)
    device = device_snapshots.fake_device("FakeManila", "fake:manila")
    assert device is device_snapshots.fake_device("manila", "aer:manila")
    assert device.num_qubits == 5


@pytest.mark.parametrize(("name", "suggestion"), [("manilla", "fake:manila"), ("q", None)])
def test_an_unknown_device(name: str, suggestion: str | None) -> None:
    require_module(
        "hybrid_parsl.quantum.device_snapshots", "qiskit_ibm_runtime", "hybrid-parsl[ibm]"
    )
    with pytest.raises(ConfigurationError, match="no snapshot") as caught:
        device_snapshots.fake_device(name, f"fake:{name}")
    assert caught.value.key == "quantum.backend"
    assert caught.value.suggestion == suggestion
    assert "python -m hybrid_parsl.quantum.device_snapshots" in str(caught.value.valid)
