"""Search strategies: they share work over ranks without knowing about MPI."""
