"""A Slurm cluster: each search is a batch job, circuit and analysis run where you are."""

from parsl import Config

from hybrid_parsl.engine.batch_site import BatchSettings
from hybrid_parsl.engine.sites import SiteRun


class Settings(BatchSettings):
    """What ``hybrid-parsl sites slurm`` lists; a field here may change a default or add one."""


def config(run: SiteRun, settings: Settings) -> Config:
    """Return what Parsl needs to run on the cluster."""
    return settings.parsl_config("slurm", run.directory)
