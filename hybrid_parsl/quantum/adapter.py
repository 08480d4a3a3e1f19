"""Functions that make a sampler or a device of Qiskit's, as quantum backends."""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from hybrid_parsl.errors import ConfigurationError, HybridParslError, QuantumJobError
from hybrid_parsl.messages import shown
from hybrid_parsl.quantum.backend import KEY, QuantumBackend, Sampler, versioned

if TYPE_CHECKING:
    from collections.abc import Callable

    from qiskit import QuantumCircuit
    from qiskit.providers import BackendV2
    from qiskit.transpiler import Target

    from hybrid_parsl.experiment import Quantum
    from hybrid_parsl.quantum.backend import Estimator

_VALID = (
    "a QuantumBackend, or a callable that takes the table [quantum] and returns something like a "
    "SamplerV2 or a BackendV2"
)


@runtime_checkable
class _DeviceSampler(Protocol):
    """A sampler that has its device, such as Qiskit's ``BackendSamplerV2``."""

    @property
    def backend(self) -> Any:
        """The device."""


class FactoryBackend(QuantumBackend):
    """A callable of the table ``[quantum]`` that returns a SamplerV2 or a BackendV2.

    The callable runs when a primitive is needed, not before, and has no options.

    Parameters
    ----------
    settings
        The table ``[quantum]``.
    factory
        The callable.
    module
        The module that it was imported from.

    Raises
    ------
    ConfigurationError
        If `factory` cannot be called with the table or declares another result.
    """

    def __init__(self, settings: Quantum, factory: Any, module: str) -> None:
        super().__init__(settings)
        self._factory = factory
        self._module = module
        self._check_factory()

    @property
    def name(self) -> str:
        """The path of the factory, with the version of its package."""
        return versioned(self.settings.backend, self._module)

    @property
    def target(self) -> Target | None:
        """The target of the device; None for a sampler without one."""
        return None if self._device is None else self._device.target

    def sampler(self) -> Sampler:
        """Return the sampler that the factory made, or one of its device.

        Raises
        ------
        ConfigurationError
            If the factory made neither.
        QuantumJobError
            If it failed.
        """
        from qiskit.primitives import BackendSamplerV2
        from qiskit.providers import BackendV2

        made = self._made
        if not isinstance(made, BackendV2):
            return made
        sampler: Sampler = BackendSamplerV2(backend=made, options=self._seed(made))
        return sampler

    def estimator(self) -> Estimator:
        """Return an estimator on the device.

        Raises
        ------
        ConfigurationError
            If the factory made a sampler without a device, or neither.
        QuantumJobError
            If it failed.
        """
        from qiskit.primitives import BackendEstimatorV2

        if self._device is None:
            raise self._refused("the sampler has no device to estimate expectation values on")
        options = self._seed(self._device)
        estimator: Estimator = BackendEstimatorV2(backend=self._device, options=options)
        return estimator

    def prepare(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit transpiled to the device; unchanged without one."""
        if self._device is None:
            return circuit
        from qiskit.transpiler import generate_preset_pass_manager

        return generate_preset_pass_manager(1, self._device, seed_transpiler=0).run(circuit)

    def check(self, circuit: Callable[[], QuantumCircuit]) -> None:
        """Check nothing more: the factory is called only where the stage runs."""

    @cached_property
    def _made(self) -> Sampler | BackendV2:
        """What the factory returned."""
        from qiskit.providers import BackendV2

        try:
            made = self._factory(self.settings)
        except HybridParslError:
            raise
        except Exception as error:  # a factory may raise anything
            reason = f"{type(error).__name__}: {error}"
            raise QuantumJobError(self.settings.backend, reason) from error
        if isinstance(made, BackendV2):
            return made
        if not isinstance(made, Sampler):
            raise self._refused("makes no sampler: what it returned has no method run", shown(made))
        self._check_run(type(made).__name__, made.run, [None])
        return made

    @cached_property
    def _device(self) -> BackendV2 | None:
        """The device, if there is one."""
        from qiskit.providers import BackendV2

        made = self._made
        if not isinstance(made, BackendV2) and isinstance(made, _DeviceSampler):
            made = made.backend
        return made if isinstance(made, BackendV2) else None

    def _seed(self, device: BackendV2) -> dict[str, Any]:
        """Return the options that seed the primitives of a device that can be seeded."""
        return {"seed_simulator": self.settings.seed} if "seed_simulator" in device.options else {}

    def _check_factory(self) -> None:
        """Refuse a factory that does not take the table or is known to make something else.

        Its result is known if it is a class or has an annotation.
        """
        factory = self._factory
        if not callable(factory):
            raise self._refused("is not callable")
        try:
            signature = inspect.signature(factory)
        except (TypeError, ValueError):  # of a class written in C, which has none
            return
        try:
            signature.bind(None)
        except TypeError:
            message = f"cannot be called with the table [quantum]: its signature is {signature}"
            raise self._refused(message) from None
        made = factory if isinstance(factory, type) else signature.return_annotation
        if not isinstance(made, type) or made in {inspect.Signature.empty, object}:
            return
        if not issubclass(made, Sampler):  # a BackendV2 has a method run as well
            raise self._refused(f"makes no sampler: {made.__name__} has no method run")
        from qiskit.providers import BackendV2

        if not issubclass(made, BackendV2):
            self._check_run(made.__name__, made.run, [None, None])

    def _check_run(self, owner: str, run: Any, arguments: list[None]) -> None:
        """Refuse a method `run` that cannot be called as that of a SamplerV2."""
        try:
            signature = inspect.signature(run)
        except (TypeError, ValueError):
            return
        try:
            signature.bind(*arguments, shots=1)
        except TypeError:
            message = f"makes no sampler: the signature of run of {owner} is {signature}"
            raise self._refused(message) from None

    def _refused(self, message: str, found: str | None = None) -> ConfigurationError:
        """Return the error of a factory that is not one."""
        return ConfigurationError(message, None, KEY, found or shown(self.settings.backend), _VALID)
