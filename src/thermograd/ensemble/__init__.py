"""Ensembles of trajectories: the experiment, the only training loop we own, and what runs it."""
