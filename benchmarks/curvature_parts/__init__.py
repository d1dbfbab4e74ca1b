"""The parts of `curvature.py`."""
