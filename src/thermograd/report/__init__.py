"""Figures and pages. Never torch."""
