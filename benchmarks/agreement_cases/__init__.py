"""One file of comparisons per phenomenon; each names them `COMPARISONS`, and `agreement.py` finds them."""
