"""Numerical tools on numpy and scipy: no torch, no physics of training."""
