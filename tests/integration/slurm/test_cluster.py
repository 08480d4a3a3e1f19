"""The cluster that the other tests run on is a real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurm_cluster import SlurmCluster


def test_a_job_step_runs_on_several_nodes(slurm: SlurmCluster) -> None:
    names = slurm.command("srun", "-N3", "-n3", "sh", "-c", "echo $SLURMD_NODENAME").split()
    assert len(set(names)) == 3
    assert set(names) <= {"n1", "n2", "n3", "n4"}


def test_what_can_never_run_is_refused_at_once(slurm: SlurmCluster) -> None:
    before = set(slurm.queue())  # a job of another test may just be going
    words = slurm.command("sh", "-c", "sbatch -N 99 --wrap true 2>&1 || true")
    assert "error" in words
    assert set(slurm.queue()) <= before
