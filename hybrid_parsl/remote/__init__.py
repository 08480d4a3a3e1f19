"""Whole runs on a Globus Compute endpoint: the call, what is sent, what comes back."""
