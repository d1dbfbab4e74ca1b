"""The kernel engine: a traced update printed as C++ whose vector lanes are trajectories."""
