"""Contract tests, to be run by those who add a site, a problem, an optimiser or a backend."""
