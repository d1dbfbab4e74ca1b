"""What running costs, one part a file; see `benchmarks/running.py`."""
