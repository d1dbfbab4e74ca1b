"""Published numbers beside ours: one file per paper or question, run by `thermograd reproduce`."""
