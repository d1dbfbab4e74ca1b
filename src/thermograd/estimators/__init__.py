"""Recorded numbers to `Estimate` with an error bar (numpy and scipy; never torch, never `theory`)."""
