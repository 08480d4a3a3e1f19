"""The local page over a folder of runs: read-only, on one port, without a build step."""
