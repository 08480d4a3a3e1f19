"""A Kubernetes cluster: the search as an MPIJob, circuit and analysis as Jobs."""

from parsl import Config

from hybrid_parsl.engine.kubernetes.site import KubernetesSettings
from hybrid_parsl.engine.sites import SiteRun


class Settings(KubernetesSettings):
    """What ``hybrid-parsl sites k8s`` lists; a field here may change a default or add one."""


def config(run: SiteRun, settings: Settings) -> Config:
    """Return what Parsl needs to run on the cluster."""
    return settings.parsl_config(run.directory)
