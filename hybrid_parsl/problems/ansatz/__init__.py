"""Circuits with free angles that several problems share."""
