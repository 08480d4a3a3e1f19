"""Quantum backends: the contract, the built-in Aer backend, and the registry of names."""

from hybrid_parsl.quantum.backend import (
    BackendOptions,
    Estimator,
    QpuUsage,
    QuantumBackend,
    Sampler,
)

__all__ = ["BackendOptions", "Estimator", "QpuUsage", "QuantumBackend", "Sampler"]
