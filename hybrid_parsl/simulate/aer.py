"""The exact energy of any circuit, with Qiskit for a few qubits and Aer for more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import ConfigurationError, HybridParslError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy import float64
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

_FEW_QUBITS = 10
_RANDOM = {"measure", "reset", "if_else", "for_loop", "while_loop", "switch_case"}


class CircuitEnergy:
    """The energy of a parameterised circuit; deterministic, on one thread, without gradient.

    Parameters
    ----------
    circuit_of
        Makes the circuit from its angles in radians, without measurements.
    observable
        The cost as an operator on as many qubits.
    n_parameters
        Number of angles.

    Examples
    --------
    >>> from hybrid_parsl.problems.bell import Bell, BellSettings
    >>> bell = Bell(BellSettings())
    >>> round(CircuitEnergy(bell.circuit, bell.observable(), 2).energy([0.0, 0.0]), 12)
    1.0
    """

    def __init__(
        self,
        circuit_of: Callable[[Sequence[float]], QuantumCircuit],
        observable: SparsePauliOp,
        n_parameters: int,
    ) -> None:
        self._circuit_of = circuit_of
        self._observable = observable
        self._n_parameters = n_parameters
        self._simulator: Any = None

    @property
    def n_parameters(self) -> int:
        """Number of angles."""
        return self._n_parameters

    def energy(self, parameters: Sequence[float] | NDArray[float64]) -> float:
        """Return the expectation value of the observable after the circuit.

        Parameters
        ----------
        parameters
            The angles in radians, shape ``(n_parameters,)``.

        Raises
        ------
        ConfigurationError
            If the circuit measures or resets a qubit, holds an unknown gate, or has too many
            qubits.
        """
        from qiskit.exceptions import QiskitError

        circuit = self._circuit_of([float(angle) for angle in parameters])
        if random := sorted(_RANDOM.intersection(circuit.count_ops())):
            message = "the state of the circuit cannot be computed: it is not one pure state"
            raise ConfigurationError(message, found=", ".join(random), valid="unitary gates")
        few = circuit.num_qubits <= _FEW_QUBITS
        try:
            return self._with_qiskit(circuit) if few else self._with_aer(circuit)
        except HybridParslError:
            raise
        except (QiskitError, MemoryError) as error:
            message = f"the state of the circuit cannot be computed: {error}"
            valid = "gates with a matrix, on as many qubits as the memory holds"
            raise ConfigurationError(message, valid=valid) from error

    def _with_qiskit(self, circuit: QuantumCircuit) -> float:
        """Return the energy by Qiskit's own state vector."""
        from qiskit.quantum_info import Statevector

        return float(Statevector(circuit).expectation_value(self._observable).real)

    def _with_aer(self, circuit: QuantumCircuit) -> float:
        """Return the energy by Aer's state vector."""
        from qiskit_aer import AerSimulator

        if self._simulator is None:
            self._simulator = AerSimulator(
                method="statevector", n_qubits=circuit.num_qubits, max_parallel_threads=1
            )
        run = translate(circuit, self._simulator)
        run.save_expectation_value(self._observable, list(range(run.num_qubits)))
        result = self._simulator.run(run, shots=1, seed_simulator=0).result()
        if not result.success:
            message = f"the state of the circuit cannot be computed: {result.status}"
            raise ConfigurationError(message, found=f"{circuit.num_qubits} qubits")
        return float(result.data()["expectation_value"].real)


def translate(circuit: QuantumCircuit, simulator: Any) -> QuantumCircuit:
    """Return a circuit in the gates of a simulator.

    These are the passes of the translation stage of Qiskit's preset pass managers. Making one of
    those imports every installed plug-in, which takes seconds.

    Parameters
    ----------
    circuit
        With its parameters bound.
    simulator
        An ``AerSimulator``.
    """
    from qiskit.circuit.equivalence_library import SessionEquivalenceLibrary
    from qiskit.transpiler import PassManager
    from qiskit.transpiler.passes import BasisTranslator, HighLevelSynthesis, UnitarySynthesis

    library, target = SessionEquivalenceLibrary, simulator.target
    passes = [
        UnitarySynthesis(target=target),
        HighLevelSynthesis(target=target, equivalence_library=library),
        BasisTranslator(library, None, target=target),
    ]
    return PassManager(passes).run(circuit)
