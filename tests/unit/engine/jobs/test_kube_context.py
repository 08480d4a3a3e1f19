"""Which kubeconfigs a run may name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hybrid_parsl.engine.jobs.kube_context import FOLDER, KubeContext
from hybrid_parsl.engine.jobs.orphans import cancel_jobs, job_states
from hybrid_parsl.engine.jobs.record import TASK_RECORD, JobRecord
from hybrid_parsl.errors import UntrustedFileError

PLUGIN = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:1"}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
current-context: c
users:
- name: u
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: touch
      args: [{witness}]
      interactiveMode: Never
"""


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    (folder / "1" / "tasks" / "search").mkdir(parents=True)
    return folder


def named(path, witness="/nowhere"):
    path.write_text(PLUGIN.format(witness=witness))
    path.chmod(0o600)
    return str(path)


def has_job(run, kubeconfig):
    task = run / "tasks" / "search"
    JobRecord.of("kubernetes", "x").with_id("job/default/x", None).write(task / TASK_RECORD)
    KubeContext(kubeconfig).write(run / "tasks" / FOLDER)


@pytest.mark.parametrize("place", ["runs/1/config", "runs/config"])
def test_a_kubeconfig_in_the_folder_of_runs_is_not_used(runs, tmp_path, place):
    witness = tmp_path / "executed"
    has_job(runs / "1", named(tmp_path / place, witness))
    (row,) = job_states(runs / "1")
    assert row["state"] == "UNKNOWN"
    assert "is a kubeconfig in the folder of runs" in row["waits_for"]
    with pytest.raises(UntrustedFileError, match="is a kubeconfig in the folder of runs"):
        cancel_jobs(runs / "1")
    assert not witness.exists()


def test_no_way_to_write_a_path_leads_into_the_folder_of_runs(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(runs)
    own = named(tmp_path / "own")
    named(runs / "1" / "config")
    (tmp_path / "link").symlink_to(runs)
    for text in ("1/config", "~/runs/1/config", f"{own}:1/config", f"{tmp_path}/link/1/config"):
        with pytest.raises(UntrustedFileError, match="in the folder of runs"):
            KubeContext(text).check(runs)


@pytest.mark.parametrize("text", ["a\0b", "~\0/x"])
def test_what_is_no_path_is_refused(runs, text):
    with pytest.raises(UntrustedFileError, match="cannot be examined"):
        KubeContext(text).check(runs)


def test_a_kubeconfig_of_the_user_is_used_and_one_that_others_can_write_is_not(runs, tmp_path):
    own = named(tmp_path / "config")
    KubeContext(own).check(runs)
    KubeContext().check(runs)
    KubeContext(str(tmp_path / "gone")).check(runs)  # the client says so
    Path(own).chmod(0o666)
    with pytest.raises(UntrustedFileError, match="can be written by other users"):
        KubeContext(own).check(runs)


def test_an_id_that_the_cluster_does_not_give_is_not_known(runs, tmp_path):
    pytest.importorskip("kubernetes")
    has_job(runs / "1", None)
    record = runs / "1" / "tasks" / "search" / TASK_RECORD
    record.write_text(json.dumps({**json.loads(record.read_text()), "job_id": "default/x"}))
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(PLUGIN.format(witness="x").partition("users:")[0])
    kubeconfig.chmod(0o600)
    KubeContext(str(kubeconfig)).write(runs / "1" / "tasks" / FOLDER)
    (row,) = job_states(runs / "1")
    assert row["state"] == "UNKNOWN"
    assert "invalid job id" in row["waits_for"]
