"""Kubernetes objects of a job."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psij import InvalidJobException, JobAttributes, JobSpec, ResourceSpecV1

from hybrid_parsl.psij_kubernetes import JobOptions
from hybrid_parsl.psij_kubernetes.job_plan import plan_job, target_of

GIB = 2**30
KEY = "8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a"  # sha256 of k
HYDRA = ["mpirun", "-localhost", "$(PSIJ_POD_IP)"]


def plan(executable="true", *, options=None, key="k", **more):
    spec = JobSpec(executable, **more)
    spec.resources = spec.resources or ResourceSpecV1()
    chosen = JobOptions(**{"image": "image", **(options or {})})
    return plan_job(spec, chosen.for_job(spec), "space", key)


def pod_of(manifest, role=None):
    spec = manifest["spec"]
    template = spec["mpiReplicaSpecs"][role]["template"] if role else spec["template"]
    return template["spec"]


def mpi(n_nodes=2, each=3, **more):
    resources = ResourceSpecV1(node_count=n_nodes, processes_per_node=each, **more)
    return {"launcher": "mpirun", "resources": resources}


def labels(name, component):
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": f"{name}-8254c329a9",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "psij",
        "app.kubernetes.io/managed-by": "psij",
    }


def test_one_process_is_a_job():
    found = plan("echo", arguments=["a", "$(B)"], name="hello", environment={"X": "$(Y)", "N": 1})
    assert str(found.native_id) == "job/space/hello-8254c329a9"
    assert found.secret is None
    assert found.manifest == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "hello-8254c329a9",
            "namespace": "space",
            "labels": labels("hello", "job"),
            "annotations": {"psij/key": KEY},
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": 600 + 7 * 86400,
            "ttlSecondsAfterFinished": 3600,
            "template": {
                "metadata": {
                    "labels": {
                        **labels("hello", "main"),
                        "psij/job": "hello-8254c329a9",
                        "psij/role": "main",
                    },
                    "annotations": {},
                },
                "spec": {
                    "restartPolicy": "Never",
                    "activeDeadlineSeconds": 600,
                    "terminationGracePeriodSeconds": 5,
                    "enableServiceLinks": False,
                    "automountServiceAccountToken": False,
                    "containers": [
                        {
                            "name": "job",
                            "image": "image",
                            "command": ["echo", "a", "$$(B)"],
                            "env": [
                                {"name": "X", "value": "$$(Y)"},
                                {"name": "N", "value": "1"},
                            ],
                            "resources": {"requests": {"cpu": "1", "memory": "512Mi"}},
                            "volumeMounts": [],
                            "terminationMessagePolicy": "File",
                        }
                    ],
                },
            },
        },
    }


def test_ranks_on_nodes_are_an_mpijob():
    found = plan("python", arguments=["x.py"], name="search", **mpi(memory=3 * GIB))
    assert str(found.native_id) == "mpijob/space/search-8254c329a9"
    spec = found.manifest["spec"]
    assert found.manifest["apiVersion"] == "kubeflow.org/v2beta1"
    assert spec["slotsPerWorker"] == 3
    assert spec["launcherCreationPolicy"] == "WaitForWorkersReady"
    assert spec["mpiImplementation"] == "MPICH"
    assert spec["sshAuthMountPath"] == "/home/mpiuser/.ssh"
    assert spec["runPolicy"] == {
        "cleanPodPolicy": "Running",
        "backoffLimit": 0,
        "activeDeadlineSeconds": 660,
        "ttlSecondsAfterFinished": 3600,
        "schedulingPolicy": {"minAvailable": 2},
    }
    replicas = spec["mpiReplicaSpecs"]
    assert {role: each["replicas"] for role, each in replicas.items()} == {
        "Launcher": 1,
        "Worker": 2,
    }
    launcher = pod_of(found.manifest, "Launcher")["containers"][0]
    worker = pod_of(found.manifest, "Worker")["containers"][0]
    assert launcher["args"] == [*HYDRA, "-n", "6", "python", "x.py"]
    assert worker["args"][0] == "/usr/sbin/sshd"
    assert worker["readinessProbe"]["tcpSocket"] == {"port": 2222}
    assert worker["resources"] == {
        "requests": {"cpu": "3", "memory": "1536Mi"},
        "limits": {"memory": "1536Mi"},
    }
    assert launcher["resources"] == {"requests": {"cpu": "100m", "memory": "64Mi"}}
    assert "runLauncherAsWorker" not in spec


@pytest.mark.parametrize(
    ("flavour", "name", "start"),
    [
        ("mpich", "MPICH", [*HYDRA, "-n", "6", "x"]),
        ("intel", "Intel", [*HYDRA, "-n", "6", "x"]),
        (
            "openmpi",
            "OpenMPI",
            ["mpirun", "-n", "6", "--bind-to", "none", "-x", "A", "-x", "B", "x"],
        ),
    ],
)
def test_every_mpi_is_started_in_its_own_way(flavour, name, start):
    found = plan("x", environment={"B": "2", "A": "1"}, options={"mpi": flavour}, **mpi())
    assert found.manifest["spec"]["mpiImplementation"] == name
    assert pod_of(found.manifest, "Launcher")["containers"][0]["args"] == start


def test_the_launcher_knows_its_own_address():
    launcher = pod_of(plan("x", **mpi()).manifest, "Launcher")["containers"][0]
    where = {"fieldRef": {"fieldPath": "status.podIP"}}
    assert launcher["env"][0] == {"name": "PSIJ_POD_IP", "valueFrom": where}


def test_mpich_avoids_process_vm_readv():
    for variables, value in ({}, "0"), ({"MPIR_CVAR_CH4_CMA_ENABLE": "1"}, "1"):
        found = plan("x", environment=variables, **mpi())
        launcher = pod_of(found.manifest, "Launcher")["containers"][0]
        assert launcher["env"][1:] == [{"name": "MPIR_CVAR_CH4_CMA_ENABLE", "value": value}]
    found = plan("x", options={"mpi": "intel"}, **mpi())
    assert pod_of(found.manifest, "Launcher")["containers"][0]["env"][1:] == []


def test_one_process_with_an_mpi_launcher_needs_no_operator():
    assert plan(launcher="mpirun").native_id.kind == "job"


def test_resources_are_those_of_one_pod():
    resources = ResourceSpecV1(
        process_count=4, cpu_cores_per_process=2, gpu_cores_per_process=1, memory=GIB
    )
    container = pod_of(plan(resources=resources).manifest)["containers"][0]
    assert container["resources"] == {
        "requests": {"cpu": "8", "memory": "1Gi"},
        "limits": {"memory": "1Gi", "nvidia.com/gpu": "4"},
    }


def test_limits_may_differ_from_requests():
    resources = ResourceSpecV1(process_count=4, memory=4 * GIB)
    options = {"limits": {"cpu": "1500m", "memory": "2Gi"}}
    container = pod_of(plan(resources=resources, options=options).manifest)["containers"][0]
    assert container["resources"] == {
        "requests": {"cpu": "4", "memory": "4Gi"},
        "limits": {"cpu": "6", "memory": "8Gi"},
    }


def test_a_default_request_is_not_above_a_limit():
    options = {"limits": {"cpu": "0.25", "memory": "100Mi"}}
    container = pod_of(plan(options=options).manifest)["containers"][0]
    assert container["resources"]["requests"] == {"cpu": "250m", "memory": "100Mi"}


def test_default_requests_can_be_changed_or_removed():
    container = pod_of(plan(options={"requests": {"cpu": "0.2"}}).manifest)["containers"][0]
    assert container["resources"] == {"requests": {"cpu": "200m", "memory": "512Mi"}}
    nothing = {"cpu": "0", "memory": "0"}
    container = pod_of(plan(options={"requests": nothing}).manifest)["containers"][0]
    assert container["resources"] == {"requests": nothing}


def test_the_launcher_may_be_a_worker():
    options = {"run_launcher_as_worker": True}
    spec = plan("x", options=options, **mpi(3, 2)).manifest["spec"]
    assert spec["runLauncherAsWorker"] is True
    assert spec["slotsPerWorker"] == 2
    assert spec["mpiReplicaSpecs"]["Worker"]["replicas"] == 2
    assert spec["runPolicy"]["schedulingPolicy"] == {"minAvailable": 2}
    pods = [spec["mpiReplicaSpecs"][role]["template"]["spec"] for role in ("Launcher", "Worker")]
    launcher, worker = (pod["containers"][0] for pod in pods)
    assert (
        launcher["resources"] == worker["resources"] == {"requests": {"cpu": "2", "memory": "1Gi"}}
    )
    assert pods[0]["volumes"] == pods[1]["volumes"]
    alone = plan("x", options=options, **mpi(1, 2)).manifest["spec"]
    assert list(alone["mpiReplicaSpecs"]) == ["Launcher"]
    assert alone["runPolicy"]["schedulingPolicy"] == {"minAvailable": 1}


def test_scheduling_policy_can_be_overridden():
    policy = {"queue": "q", "priorityClass": "high", "scheduleTimeoutSeconds": 9}
    found = plan("x", options={"scheduling_policy": policy}, **mpi())
    assert found.manifest["spec"]["runPolicy"]["schedulingPolicy"] == {"minAvailable": 2, **policy}
    policy["minAvailable"] = 3
    found = plan("x", options={"scheduling_policy": policy}, **mpi())
    assert found.manifest["spec"]["runPolicy"]["schedulingPolicy"] == policy


@pytest.mark.parametrize("role", ["Launcher", "Worker"])
def test_ranks_get_shared_memory_for_their_number(role):
    pod = pod_of(plan("x", **mpi(2, 24)).manifest, role)
    found = [each for each in pod.get("volumes", []) if each["name"] == "psij-shm"]
    directory = {"medium": "Memory", "sizeLimit": "256Mi"}
    assert found == ([{"name": "psij-shm", "emptyDir": directory}] if role == "Worker" else [])


def test_shared_memory_volume_of_the_user_is_kept():
    volume = {"name": "s", "mountPath": "/dev/shm", "emptyDir": {"medium": "Memory"}}
    pod = pod_of(plan("x", options={"volumes": [volume]}, **mpi()).manifest, "Worker")
    assert [each["name"] for each in pod["volumes"]] == ["s"]


def test_attributes_become_labels_and_deadlines():
    attributes = JobAttributes(
        duration=timedelta(minutes=2), queue_name="short", account="Project X!"
    )
    manifest = plan(attributes=attributes, options={"labels": {"team": "a"}}).manifest
    assert manifest["metadata"]["labels"] == {
        **labels("true", "job"),
        "kueue.x-k8s.io/queue-name": "short",
        "psij/account": "Project-X",
        "team": "a",
    }
    assert pod_of(manifest)["activeDeadlineSeconds"] == 120
    assert manifest["spec"]["template"]["metadata"]["labels"]["psij/account"] == "Project-X"


def test_options_are_applied_to_pods():
    options = {
        "service_account": "robot",
        "image_pull_policy": "Never",
        "image_pull_secrets": ["login"],
        "node_selector": {"kind": "fast"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "volumes": [
            {
                "name": "data",
                "mountPath": "/data",
                "readOnly": True,
                "persistentVolumeClaim": {"claimName": "c"},
            }
        ],
        "grace_s": 60,
        "ttl_s": 5,
        "priority_class": "high",
        "annotations": {"a": "b"},
    }
    manifest = plan(options=options).manifest
    pod = pod_of(manifest)
    assert pod["serviceAccountName"] == "robot"
    assert pod["priorityClassName"] == "high"
    assert manifest["spec"]["template"]["metadata"]["annotations"] == {"a": "b"}
    assert manifest["metadata"]["annotations"]["a"] == "b"
    assert pod["automountServiceAccountToken"] is True
    assert pod["imagePullSecrets"] == [{"name": "login"}]
    assert pod["nodeSelector"] == {"kind": "fast"}
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert pod["terminationGracePeriodSeconds"] == 60
    assert pod["containers"][0]["imagePullPolicy"] == "Never"
    assert pod["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]
    mount = {"name": "data", "mountPath": "/data", "readOnly": True}
    assert pod["containers"][0]["volumeMounts"] == [mount]
    assert manifest["spec"]["ttlSecondsAfterFinished"] == 5


def test_restricted_pods_meet_the_standard():
    pod = pod_of(plan(options={"restricted": True}).manifest)
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    directory = {"medium": "Memory", "sizeLimit": "1Gi"}
    assert pod["volumes"] == [{"name": "psij-tmp", "emptyDir": directory}]


def test_a_folder_in_tmp_has_a_volume_of_its_own():
    options = {"restricted": True, "scratch_limit": "2Gi", "inputs": {"a": b""}}
    pod = pod_of(plan(directory="/tmp/run", options=options).manifest)
    sizes = {each["name"]: each.get("emptyDir", {}).get("sizeLimit") for each in pod["volumes"]}
    assert sizes == {"psij-tmp": "2Gi", "psij-folder": "2Gi", "psij-inputs": None}


def test_every_object_has_the_recommended_labels_and_no_path():
    options = {"labels": {"app.kubernetes.io/part-of": "mine"}, "inputs": {"a": b""}}
    key = "host:/home/me/runs/1"
    found = plan("x", name="search", options=options, key=key, directory="/w", **mpi())
    spec = found.manifest["spec"]["mpiReplicaSpecs"]
    pods = [spec[role]["template"]["metadata"] for role in ("Launcher", "Worker")]
    things = [found.manifest["metadata"], found.secret["metadata"], *pods]
    components = [each["labels"]["app.kubernetes.io/component"] for each in things]
    assert components == ["mpijob", "inputs", "launcher", "worker"]
    for each in things:
        assert each["labels"]["app.kubernetes.io/name"] == "search"
        assert each["labels"]["app.kubernetes.io/instance"] == found.native_id.name
        assert each["labels"]["app.kubernetes.io/part-of"] == "mine"
        assert not re.search("host|home", json.dumps(each))


@pytest.mark.parametrize("role", [None, "Launcher", "Worker"])
def test_an_overlay_comes_last(role):
    overlay = {
        "schedulerName": "other",
        "containers": [{"name": "job", "image": "other"}, {"name": "proxy", "image": "p"}],
    }
    more = mpi() if role else {}
    pod = pod_of(plan(options={"pod": overlay}, **more).manifest, role)
    assert pod["schedulerName"] == "other"
    assert [each["image"] for each in pod["containers"]] == ["other", "p"]
    assert pod["restartPolicy"] == "Never"


def test_inputs_are_a_secret_mounted_where_they_are_wanted(tmp_path):
    (tmp_path / "big").write_bytes(b"\0\1")
    inputs = {"in/a": b"text", "/etc/b": tmp_path / "big"}
    found = plan(directory="/work", options={"inputs": inputs})
    name = found.secret["metadata"]["name"]
    assert re.fullmatch(f"{found.native_id.name}-inputs-[0-9a-f]{{6}}", name)
    data = {name: base64.b64decode(text) for name, text in found.secret["data"].items()}
    assert data == {"0": b"text", "1": b"\0\1"}
    pod = pod_of(found.manifest)
    assert [volume["name"] for volume in pod["volumes"]] == ["psij-folder", "psij-inputs"]
    mounts = pod["containers"][0]["volumeMounts"]
    assert [(each["mountPath"], each.get("subPath")) for each in mounts] == [
        ("/work", None),
        ("/work/in/a", "0"),
        ("/etc/b", "1"),
    ]
    assert pod["containers"][0]["workingDir"] == "/work"


def test_folder_on_a_volume_needs_no_scratch_volume():
    volumes = [{"name": "v", "mountPath": "/data", "hostPath": {"path": "/x"}}]
    options = {"inputs": {"a": b""}, "volumes": volumes}
    pod = pod_of(plan(directory="/data/run", options=options).manifest)
    assert [volume["name"] for volume in pod["volumes"]] == ["v", "psij-inputs"]


def test_inputs_larger_than_a_secret_are_rejected():
    with pytest.raises(InvalidJobException, match=r"big 1048577.*volume"):
        plan(options={"inputs": {"big": bytes(2**20 + 1)}})


@pytest.mark.parametrize(
    ("spec", "options", "match"),
    [
        ({"stdin_path": "/x"}, {}, "stdin_path"),
        ({"attributes": JobAttributes(reservation_id="r")}, {}, "reservation"),
        ({"attributes": JobAttributes(duration=timedelta(0))}, {}, "Invalid duration"),
        ({"resources": ResourceSpecV1(exclusive_node_use=True)}, {}, "exclusive"),
        ({"resources": ResourceSpecV1(node_count=2)}, {}, "2 nodes"),
        ({"resources": ResourceSpecV1(node_count=2), "launcher": "multiple"}, {}, "2 nodes"),
        ({"launcher": "srun"}, {}, "single, multiple, mpirun"),
        ({"directory": "here"}, {}, "absolute path"),
        ({}, {"image": None}, "no image"),
        ({}, {"labels": {"psij/job": "x"}}, "'psij/job' is reserved"),
        ({}, {"limits": {"cpu": "much"}}, "'much' for cpu; valid: a quantity"),
        ({}, {"limits": {"memory": "-1Gi"}}, "-1Gi.*a quantity"),
        (
            {"resources": ResourceSpecV1(cpu_cores_per_process=2)},
            {"limits": {"cpu": "1"}},
            "2 cpu per pod exceeds the limit of 1",
        ),
        ({}, {"inputs": {"../a": b""}}, "Invalid path"),
        ({}, {"outputs": {"a\nb": "/x"}}, "Invalid path"),
        ({}, {"inputs": {"a": "/there/is/none"}}, "No such file"),
        ({}, {"volumes": [{"name": "x", "mountPath": "/y"}]}, "one source"),
        ({"inherit_environment": False, **mpi()}, {}, "inherit_environment"),
    ],
)
def test_unsupported_jobs_are_rejected(spec, options, match):
    with pytest.raises(InvalidJobException, match=match):
        plan(options=options, **spec)


def test_missing_executable_is_rejected():
    with pytest.raises(InvalidJobException, match="no executable"):
        plan(None)


def test_an_empty_environment_is_empty():
    found = plan("x", environment={"A": "1"}, inherit_environment=False)
    assert pod_of(found.manifest)["containers"][0]["command"] == ["env", "-i", "A=1", "x"]


def as_a_container_gets_it(text):
    """Do what Kubernetes does with $$ and $(NAME) (k8s.io/kubernetes/third_party/expansion)."""
    assert not re.search(r"(?<!\$)(\$\$)*\$\(", text)
    return text.replace("$$", "$")


names = st.text("abcdefgh.-_", min_size=1, max_size=8).filter(lambda text: ".." not in text)


@given(
    arguments=st.lists(st.text(max_size=20)),
    environment=st.dictionaries(names, st.text(max_size=20)),
    inputs=st.dictionaries(names, st.binary(max_size=50), max_size=4),
    outputs=st.lists(names, max_size=3),
    nodes=st.integers(1, 5),
    each=st.integers(1, 5),
)
def test_every_manifest_is_json_and_holds_what_was_asked(
    arguments, environment, inputs, outputs, nodes, each
):
    resources = ResourceSpecV1(node_count=nodes, processes_per_node=each)
    options = {"inputs": inputs, "outputs": dict.fromkeys(outputs, "/x")}
    found = plan(
        "run", arguments=arguments, environment=environment, options=options,
        launcher="mpirun", resources=resources,
    )  # fmt: skip
    assert json.loads(json.dumps(found.manifest)) == found.manifest
    is_mpi = nodes * each > 1
    assert (found.manifest["kind"] == "MPIJob") == is_mpi
    container = pod_of(found.manifest, "Launcher" if is_mpi else None)["containers"][0]
    words = container["args" if is_mpi else "command"]
    words = [as_a_container_gets_it(word) for word in words if word != HYDRA[-1]]
    assert words[len(words) - len(arguments) :] == arguments
    assert (found.secret is not None) == bool(inputs)
    assert (found.collection.mark is not None) == bool(outputs)


def test_patterns_determine_local_destinations(tmp_path):
    outputs = {"a.json": tmp_path / "b.json", "logs/*.txt": tmp_path / "logs"}
    assert target_of("a.json", outputs) == tmp_path / "b.json"
    assert target_of("logs/x.txt", outputs) == tmp_path / "logs" / "x.txt"
    assert target_of("other", outputs) is None
