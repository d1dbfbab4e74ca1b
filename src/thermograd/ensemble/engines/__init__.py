"""Engines behind one front end; `eager` is the reference."""
