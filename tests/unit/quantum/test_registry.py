from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import Field
from qiskit.primitives import StatevectorEstimator, StatevectorSampler

from hybrid_parsl.errors import ConfigurationError, JobFailedError
from hybrid_parsl.experiment import Quantum
from hybrid_parsl.quantum import BackendOptions, QuantumBackend
from hybrid_parsl.quantum.registry import BACKENDS, backend_names, backend_target, open_backend

if TYPE_CHECKING:
    from pathlib import Path


class Exact(QuantumBackend):
    """Qiskit's state vector."""

    class Options(BackendOptions):
        rank: int = Field(default=1, ge=1)

    def sampler(self) -> StatevectorSampler:
        return StatevectorSampler(seed=self.settings.seed)

    def estimator(self) -> StatevectorEstimator:
        return StatevectorEstimator(seed=self.settings.seed)


class OnDevice(Exact):
    takes_device = True


class Abstract(QuantumBackend):
    pass


class Failing(Exact):
    def __init__(self, settings: Quantum, device: str = "") -> None:
        super().__init__(settings, device)
        raise JobFailedError("1", "ours") if device else OSError("theirs")


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution that offers backends by entry points, as a package index has it."""
    module: Any = ModuleType("lab")
    for each in (Exact, OnDevice, Abstract, Failing):
        setattr(module, each.__name__, each)
    module.text = "no backend"
    module.function = lambda _: StatevectorSampler()
    monkeypatch.setitem(sys.modules, "lab", module)
    folder = tmp_path / "lab-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[hybrid_parsl.backends]\nexact = lab:Exact\nfridge = lab:OnDevice\n"
        "function = lab:function\naer = lab:Exact\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("plugins")
def test_a_plug_in_adds_names_but_replaces_none() -> None:
    assert backend_names() == {
        **BACKENDS.built_in,
        "exact": "lab:Exact",
        "fridge": "lab:OnDevice",
        "function": "lab:function",
    }


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("name", "made", "device"),
    [
        ("exact", Exact, ""),
        ("lab:Exact", Exact, ""),
        ("fridge", OnDevice, ""),
        ("fridge:second:floor", OnDevice, "second:floor"),
    ],
)
def test_a_backend_is_found_by_name_and_by_path(name: str, made: type, device: str) -> None:
    settings = Quantum(backend=name, options={"rank": 2})
    backend = open_backend(settings)
    assert type(backend) is made
    assert (backend.settings, backend.device) == (settings, device)
    assert backend.options == Exact.Options(rank=2)


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("name", "message", "suggestion"),
    [
        ("are", "unknown backend", "aer"),
        ("exakt", "unknown backend", "exact"),
        ("aer:", "names no device", None),
        (":factory", "unknown backend", None),
        ("fake", "specify a device", None),
        ("exact:fez", "the backend exact takes no device", None),
        ("function:fez", "the backend function takes no device", None),
        ("no_such_module_x:factory", "cannot import it: ModuleNotFoundError", None),
        ("lab:absent", "cannot import it: AttributeError", None),
        ("lab:text", "is not callable", None),
        ("lab:Abstract", "cannot make it: TypeError", None),
        ("lab:Failing", "cannot make it: OSError: theirs", None),
    ],
)
def test_an_invalid_backend(name: str, message: str, suggestion: str | None) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_backend(Quantum(backend=name))
    assert caught.value.key == "quantum.backend"
    assert caught.value.suggestion == suggestion
    if message == "unknown backend":
        assert caught.value.valid is not None
        assert {"aer", "exact", "fridge"} <= set(caught.value.valid.split(", "))


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("options", "key", "valid"),
    [
        ({"rnk": 1}, "quantum.options.rnk", "rank"),
        ({"rank": 0}, "quantum.options.rank", "at least 1"),
        ({"rank": "2"}, "quantum.options.rank", None),
    ],
)
def test_invalid_options(options: dict[str, Any], key: str, valid: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_backend(Quantum(backend="exact", options=options))
    assert caught.value.key == key
    assert caught.value.valid == valid


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("backend", "target"),
    [
        ("aer", (BACKENDS.built_in["aer"], "")),
        ("fridge:x", ("lab:OnDevice", "x")),
        ("own:Backend", ("own:Backend", "")),
        ("unknown", ("unknown", "")),
    ],
)
def test_the_module_of_a_backend_is_known_without_importing_it(
    backend: str, target: tuple[str, str]
) -> None:
    assert backend_target(backend) == target
