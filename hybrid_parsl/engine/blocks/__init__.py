"""Blocks of nodes that one batch job holds, and the tasks that run in them."""
