"""Estimates and predictions to `Advice`."""
