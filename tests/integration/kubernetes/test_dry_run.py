"""The objects of a dry run, as the cluster's own client reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_kubectl_takes_the_objects_of_a_dry_run(kubernetes, kubernetes_site, tmp_path, monkeypatch):
    for name, value in kubernetes_site.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, str(ROOT / "run.py"), "bell", "--site", "k8s", "-n"]
    subprocess.run([*command, "--scripts", str(tmp_path)], check=True, capture_output=True)
    found = kubernetes.kubectl("apply", "--dry-run=client", "--filename", str(tmp_path))
    kinds = sorted(line.partition(".")[0].partition("/")[0] for line in found.splitlines())
    assert kinds == ["job", "job", "mpijob", "secret", "secret", "secret"]
    assert all(line.endswith("(dry run)") for line in found.splitlines())
