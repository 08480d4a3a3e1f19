from __future__ import annotations

import copy
import inspect
import tomllib
from pathlib import Path

import pytest
import yaml
from pod_security import violations
from services import require_module

from hybrid_parsl.cli.schedule_add import add
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.experiment import Experiment
from hybrid_parsl.schedule.definition import Schedule
from hybrid_parsl.schedule.kubernetes import cron_job

ROOT = Path(__file__).parents[3]
EXPERIMENT = Experiment.model_validate(
    {
        "name": "bell",
        "problem": {"kind": "bell", "note": "<&> '\"\\ ✓"},
        "search": {"method": "draw"},
        "resources": {"num_ranks": 3, "cores_per_rank": 2},
    }
)


def manifests(schedule, image="image:1"):
    return list(
        yaml.safe_load_all(cron_job(schedule, EXPERIMENT, image, "claim", "hybrid-parsl-driver"))
    )


def pod_of(job):
    return job["spec"]["jobTemplate"]["spec"]["template"]["spec"]


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
    experiment = Experiment.model_validate(tomllib.loads(secret["stringData"]["experiment.toml"]))
    assert experiment == EXPERIMENT
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
        cron_job(make_schedule(timezone=None), EXPERIMENT, "image:1", "claim", "account")
    assert caught.value.source == "--timezone"


@pytest.mark.parametrize("site", ["local", "k8s"])
def test_its_pods_meet_the_restricted_standard(make_schedule, site):
    _, job = manifests(make_schedule(site=site, timezone="Europe/Berlin"))
    assert violations(pod_of(job)) == []


def test_the_cron_job_of_the_project_meets_the_restricted_standard():
    text = (ROOT / "containers/kubernetes/cronjob.yaml").read_text()
    (job,) = [each for each in yaml.safe_load_all(text) if each["kind"] == "CronJob"]
    assert violations(pod_of(job)) == []


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (["hostNetwork"], True, "spec.hostNetwork"),
        (["volumes", 0], {"name": "x", "hostPath": {"path": "/"}}, "spec.volumes[x]"),
        (["securityContext", "runAsNonRoot"], False, "runAsNonRoot"),
        (["securityContext", "runAsUser"], 0, "runAsUser"),
        (["securityContext", "seccompProfile"], None, "seccompProfile"),
        (["securityContext", "seccompProfile", "type"], "Unconfined", "seccompProfile.type"),
        (["securityContext", "sysctls"], [{"name": "kernel.msgmax"}], "sysctls[kernel.msgmax]"),
        (["containers", 0, "securityContext"], None, "allowPrivilegeEscalation"),
        (["containers", 0, "securityContext", "privileged"], True, "privileged"),
        (["containers", 0, "securityContext", "capabilities"], {"drop": ["KILL"]}, "drop"),
        (["containers", 0, "securityContext", "capabilities", "add"], ["SYS_PTRACE"], "add"),
        (["containers", 0, "ports"], [{"containerPort": 1, "hostPort": 1}], "hostPort"),
        (["initContainers"], [{"name": "i"}], "spec.initContainers[i]"),
    ],
)
def test_the_check_of_the_standard_finds_each_violation(make_schedule, path, value, found):
    pod = copy.deepcopy(pod_of(manifests(make_schedule(timezone="UTC"))[1]))
    target = pod
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    assert any(found in each for each in violations(pod))


def test_the_account_of_the_driver_is_the_project_s_by_default(make_schedule):
    rbac = list(yaml.safe_load_all((ROOT / "containers/kubernetes/rbac.yaml").read_text()))
    (account,) = [each for each in rbac if each["kind"] == "ServiceAccount"]
    default = inspect.signature(add).parameters["service_account"].default
    pod = pod_of(manifests(make_schedule())[1])
    assert pod["serviceAccountName"] == default == account["metadata"]["name"]


def test_local_ranks_get_their_cores_and_shared_memory(make_schedule):
    pod = pod_of(manifests(make_schedule(site="local"))[1])
    (container,) = pod["containers"]
    assert container["resources"]["requests"]["cpu"] == "6"
    assert "/dev/shm" in [each["mountPath"] for each in container["volumeMounts"]]
    pod = pod_of(manifests(make_schedule(site="k8s"))[1])
    assert pod["containers"][0]["resources"]["requests"]["cpu"] == "500m"
    assert "shm" not in [each["name"] for each in pod["volumes"]]


def test_every_object_has_the_recommended_labels(make_schedule):
    secret, job = manifests(make_schedule())
    for metadata in (
        secret["metadata"],
        job["metadata"],
        job["spec"]["jobTemplate"]["spec"]["template"]["metadata"],
    ):
        labels = metadata["labels"]
        names = ("name", "instance", "component", "version", "part-of")
        assert set(labels) == {f"app.kubernetes.io/{name}" for name in names}
        assert labels["app.kubernetes.io/instance"] == "a"
