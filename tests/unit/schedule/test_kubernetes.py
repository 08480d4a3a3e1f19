from __future__ import annotations

import tomllib

import pytest
import yaml
from services import require_module

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.definition import Schedule
from hybrid_parsl.schedule.kubernetes import cron_job

EXPERIMENT = 'name = "bell"\n# <&> \'"\\ ✓\n'


def manifests(schedule, image="image:1"):
    return list(yaml.safe_load_all(cron_job(schedule, EXPERIMENT, image, "claim")))


def built(kind, value):
    """Return an object of Kubernetes' official client; an unknown or missing field is an error."""
    models = require_module("kubernetes.client.models", "kubernetes", "hybrid-parsl[kubernetes]")
    if kind.startswith("List["):
        return [built(kind[5:-1], each) for each in value]
    if kind.startswith("Dict["):
        return {key: built(kind[5:-1].split(", ")[1], each) for key, each in value.items()}
    plain = {"str": str, "int": int, "bool": bool}.get(kind)
    if plain:
        assert type(value) is plain, value
        return value
    model = getattr(models, kind)
    names = {written: name for name, written in model.attribute_map.items()}
    fields = {names[key]: each for key, each in value.items()}
    return model(**{name: built(model.openapi_types[name], each) for name, each in fields.items()})


@pytest.mark.parametrize("deadline", ["1h", None])
def test_every_field_is_one_of_the_api(make_schedule, deadline):
    secret, job = manifests(make_schedule(deadline=deadline, timezone="Europe/Berlin"))
    assert built("V1Secret", secret).string_data == secret["stringData"]
    assert built("V1CronJob", job).spec.job_template.spec.template.spec.containers[0].volume_mounts
    job["spec"]["concurrencyPolice"] = job["spec"].pop("concurrencyPolicy")
    with pytest.raises(KeyError, match="concurrencyPolice"):
        built("V1CronJob", job)


def test_a_cron_job_never_runs_twice_at_once_and_has_an_end(make_schedule):
    _, job = manifests(make_schedule(deadline="1h", timezone="Europe/Berlin"))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert job["spec"]["timeZone"] == "Europe/Berlin"
    spec = job["spec"]["jobTemplate"]["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["activeDeadlineSeconds"] > 3600
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["template"]["spec"]["securityContext"]["runAsNonRoot"]


def test_without_a_deadline_there_is_no_limit(make_schedule):
    spec = manifests(make_schedule(deadline=None))[1]["spec"]["jobTemplate"]["spec"]
    assert "activeDeadlineSeconds" not in spec


def test_the_container_finds_its_schedule_and_experiment(make_schedule):
    secret, job = manifests(
        make_schedule(
            environment={"PATH": "/here"}, environment_file="/here", on_failure="https://h/secret"
        )
    )
    assert secret["kind"] == "Secret"
    assert secret["stringData"]["experiment.toml"] == EXPERIMENT
    inside = Schedule.model_validate(tomllib.loads(secret["stringData"]["schedule.toml"]))
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert container["command"][-1] == f"{mounts['definition']}/schedule.toml"
    assert inside.experiment == f"{mounts['definition']}/experiment.toml"
    assert inside.runs_dir == mounts["runs"]
    assert inside.state.startswith(mounts["runs"])
    assert inside.environment == {}
    assert inside.environment_file is None
    assert inside.on_failure == "https://h/secret"
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["definition"]["secret"]["secretName"] == secret["metadata"]["name"]
    assert volumes["runs"]["persistentVolumeClaim"]["claimName"] == "claim"


@pytest.mark.parametrize(
    ("cron", "found"),
    [
        ("0 2 * * *", "0 2 * * *"),
        ("0 2 * * 7", "0 2 * * 0"),
        ("0 2 * * fri-sun", None),
        ("0 2 * * 5-7", "0 2 * * 0,5-6"),
        ("0 2 13 * 5", "0 2 13 * 5"),
        ("0 2 13 * 0-6", "0 2 13 * 0-6"),
        ("@weekly", "0 0 * * 0"),
        ("@hourly", "0 * * * *"),
    ],
)
def test_sunday_is_never_seven(make_schedule, cron, found):
    if found is None:
        with pytest.raises(ConfigurationError, match="goes down"):
            manifests(make_schedule(cron=cron))
    else:
        assert manifests(make_schedule(cron=cron))[1]["spec"]["schedule"] == found


def test_days_that_kubernetes_reads_in_another_way_are_refused(make_schedule):
    with pytest.raises(ConfigurationError, match="either one elsewhere"):
        manifests(make_schedule(cron="0 2 */2 * mon"))


def test_no_text_gets_out_of_its_quotes(make_schedule):
    image = 'i"\n  evil: true'
    pod = manifests(make_schedule(), image)[1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == image


def test_a_time_zone_without_a_name_is_asked_for(make_schedule, monkeypatch):
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    with pytest.raises(ConfigurationError, match="has no name") as caught:
        cron_job(make_schedule(timezone=None), EXPERIMENT, "image:1", "claim")
    assert caught.value.source == "--timezone"
