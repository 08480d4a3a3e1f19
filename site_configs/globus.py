"""Endpoints of Globus Compute: each stage a task of one node, for small experiments only."""

from parsl import Config
from pydantic import Field

from hybrid_parsl import labels
from hybrid_parsl.engine.site_settings import SiteSettings
from hybrid_parsl.engine.sites import SiteRun
from hybrid_parsl.remote.federated import FederatedExecutor


class Settings(SiteSettings):
    """What ``hybrid-parsl sites globus`` lists."""

    endpoint: str = Field(description="Id of the endpoint that runs circuit and analysis.")
    mpi_endpoint: str | None = Field(
        default=None, description="Id of the endpoint that runs searches, if it is another one."
    )
    template: dict[str, str | int] = Field(
        default={}, description="Values for the endpoints' templates."
    )


def config(run: SiteRun, settings: Settings) -> Config:
    """Return what Parsl needs to run on the endpoints."""
    endpoints = dict.fromkeys(labels.ALL, settings.endpoint)
    endpoints[labels.MPI] = settings.mpi_endpoint or settings.endpoint
    return Config(
        executors=[
            FederatedExecutor(label, endpoint, settings.template)
            for label, endpoint in endpoints.items()
        ],
        run_dir=str(run.directory / "parsl"),
        strategy="none",
    )
