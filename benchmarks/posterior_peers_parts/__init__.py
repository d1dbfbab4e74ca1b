"""The parts of `posterior_peers.py`."""
