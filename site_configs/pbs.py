"""A PBS cluster: each search is a batch job, circuit and analysis run where you are."""

from typing import Literal

from parsl import Config
from pydantic import Field

from hybrid_parsl.engine.batch_site import BatchSettings
from hybrid_parsl.engine.sites import SiteRun


class Settings(BatchSettings):
    """What ``hybrid-parsl sites pbs`` lists."""

    dialect: Literal["pbs", "pbs_classic"] = Field(
        default="pbs",
        description="How nodes are requested: select= (PBS Pro, OpenPBS) or nodes= (Torque).",
    )
    mpi_launcher: Literal["mpirun", "srun"] = Field(
        default="mpirun", description="What starts the ranks."
    )


def config(run: SiteRun, settings: Settings) -> Config:
    """Return what Parsl needs to run on the cluster."""
    return settings.parsl_config(settings.dialect, run.directory)
