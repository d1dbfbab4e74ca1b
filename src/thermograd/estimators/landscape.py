"""What recorded curvatures say of the loss: spectra, their density, and what flatness has to do with noise and generalisation."""

from __future__ import annotations

from thermograd.estimators.flatness_correlation import Correlation, flatness_correlation
from thermograd.estimators.flatness_exponent import flatness_exponent
from thermograd.estimators.root_mean_square import root_mean_square
from thermograd.estimators.spectral_density import SpectralDensity
from thermograd.estimators.spectrum_summary import SpectrumSummary, spectrum_summary

__all__ = [
    "Correlation",
    "SpectralDensity",
    "SpectrumSummary",
    "flatness_correlation",
    "flatness_exponent",
    "root_mean_square",
    "spectrum_summary",
]
