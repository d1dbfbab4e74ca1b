"""Runs and logs on disk, and `Run`, the same in memory and from disk. Never torch."""
