"""Runs at planned times: crontab, scrontab, systemd, Kubernetes, and what came of each run."""
