"""Learning-rate schedulers that read a watch instead of a calendar."""
