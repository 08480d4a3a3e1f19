"""Runs apps on sites: the only room that imports parsl and psij."""
