"""One file of cases per phenomenon; each names them `CASES`, and `coverage.py` finds them."""
