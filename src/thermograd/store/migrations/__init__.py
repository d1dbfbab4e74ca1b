"""What turns a run directory of an earlier format into one of this, in memory: `from_N.py` makes N + 1 of N."""
