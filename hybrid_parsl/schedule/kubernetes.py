"""A schedule as a CronJob of Kubernetes, with its definition and experiment in a Secret."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hybrid_parsl import __version__
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.clock import local_zone_name
from hybrid_parsl.schedule.plain_times import plain_times
from hybrid_parsl.schedule.scheduled_run import GRACE_S

if TYPE_CHECKING:
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.schedule.definition import Schedule

_DEFINITION = PurePosixPath("/etc/hybrid-parsl")
_VOLUME = PurePosixPath("/runs")
_STARTING_S = 300  # pulling the image


def cron_job(
    schedule: Schedule,
    experiment: Experiment,
    image: str,
    claim: str,
    service_account: str,
) -> str:
    """Return the manifest as YAML; its pods meet the Pod Security Standard ``restricted``.

    Parameters
    ----------
    schedule
        The schedule; its paths and variables are replaced by those of the container.
    experiment
        The experiment, which is written into a Secret.
    image
        An image whose ``python`` has this package.
    claim
        The name of a PersistentVolumeClaim for the runs, the lock and the history.
    service_account
        The account whose rights the driver has.

    Raises
    ------
    ConfigurationError
        If the times mean different days to Kubernetes and to cron, or the time zone has no name.
    """
    import tomli_w
    from jinja2 import Environment, PackageLoader

    times = plain_times(schedule.expression())
    zone = schedule.timezone or local_zone_name()
    if zone is None:
        message = "this computer's time zone has no name that a cluster knows"
        raise ConfigurationError(message, "--timezone", None, None, "for example Europe/Berlin")
    state = _VOLUME / "schedules" / schedule.name
    inside = schedule.model_copy(
        update={
            "timezone": zone,
            "experiment": str(_DEFINITION / "experiment.toml"),
            "overrides": [],
            "project": None,
            "folder": str(_VOLUME),
            "runs_dir": str(_VOLUME),
            "state": str(state),
            "environment": {},
            "environment_file": None,
        }
    )
    environment = Environment(  # noqa: S701 - YAML, where every value is written as JSON
        loader=PackageLoader("hybrid_parsl.schedule", ""), keep_trailing_newline=True
    )
    limit_s = schedule.deadline_s
    is_local = schedule.site == "local"
    resources = experiment.resources
    cores = resources.num_ranks * (resources.cores_per_rank or experiment.search.threads)
    return environment.get_template("cron_job.yaml.j2").render(
        name=schedule.name,
        cron=times,
        timezone=zone,
        deadline_s=None if limit_s is None else round(limit_s + GRACE_S + _STARTING_S),
        grace_s=round(GRACE_S) + 30,
        image=image,
        claim=claim,
        mount=str(_DEFINITION),
        volume=str(_VOLUME),
        definition=inside.to_toml(),
        experiment=tomli_w.dumps(experiment.model_dump(mode="json", exclude_none=True)),
        service_account=service_account,
        version=__version__,
        is_local=is_local,
        cpu=str(cores) if is_local else "500m",
    )
