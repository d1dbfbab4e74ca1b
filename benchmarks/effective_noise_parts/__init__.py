"""Parts of the benchmark of effective noise, one file each."""
