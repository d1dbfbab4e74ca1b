"""Parts of the benchmark of the stationary state, one file each."""
