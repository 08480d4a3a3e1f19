"""Energies and gradients of parameterised quantum states."""
