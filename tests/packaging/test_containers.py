"""What the container image is made of: clean, and true to the MPI Operator's contract."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from services import require

from hybrid_parsl import __version__
from hybrid_parsl.psij_kubernetes.job_manifests import _DEFAULT_REQUESTS
from hybrid_parsl.psij_kubernetes.preflight import PERMISSIONS

ROOT = Path(__file__).parents[2]
CONTAINERS = ROOT / "containers"
BIN = Path(sys.executable).parent


def run(*words, **more):
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **more
    )


@pytest.mark.parametrize("name", ["containers/entrypoint.sh", "wrapper.sh", "emitter.sh"])
def test_scripts_are_clean(name):
    path = ROOT / name if "/" in name else ROOT / "hybrid_parsl" / "psij_kubernetes" / name
    done = run(BIN / "shellcheck", path)
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_is_clean():
    done = run(BIN / "hadolint", CONTAINERS / "Dockerfile")
    assert done.returncode == 0, done.stdout


@pytest.fixture
def enter(tmp_path):
    """Return a function that runs the entrypoint as a launcher whose hosts all are there."""
    fake = tmp_path / "bin"
    fake.mkdir()
    getent = fake / "getent"
    getent.write_text(f'#!/bin/sh\necho "$2" >>{tmp_path}/asked\n[ "$2" != lost ]\n')
    getent.chmod(0o755)
    hosts = tmp_path / "hostfile"

    def run_it(*words, hostfile="", interfaces=("eth0", "lo"), **variables):
        hosts.write_text(hostfile)
        shutil.rmtree(tmp_path / "net", ignore_errors=True)
        for interface in interfaces:
            (tmp_path / "net" / interface).mkdir(parents=True)
        (tmp_path / "asked").unlink(missing_ok=True)
        env = {
            "PATH": f"{fake}:{os.environ['PATH']}",
            "MPI_HOSTFILE": str(hosts),
            "MPI_INTERFACES": str(tmp_path / "net"),
            "MPI_RESOLVE_TRIES": "1",
            **variables,
        }
        done = run(CONTAINERS / "entrypoint.sh", *words, env=env)
        asked = tmp_path / "asked"
        return done, asked.read_text().split()[1:] if asked.exists() else []

    return run_it


LAUNCHER = {"K_MPI_JOB_ROLE": "launcher"}


def test_arguments_are_run_as_they_are(enter):
    done, asked = enter("printf", "%s|", "a b", "$c")
    assert (done.stdout, asked) == ("a b|$c|", [])


@pytest.mark.parametrize(
    "hostfile",
    [
        "w-0.j.ns.svc:2\nw-1.j.ns.svc:2\n",
        "w-0.j.ns.svc slots=2\nw-1.j.ns.svc slots=2\n",
        "\nw-0.j.ns.svc\n\nw-1.j.ns.svc",
    ],
)
def test_the_launcher_waits_for_all_hosts(enter, hostfile):
    done, asked = enter("true", hostfile=hostfile, **LAUNCHER)
    assert done.returncode == 0
    assert asked == ["w-0.j.ns.svc", "w-1.j.ns.svc"]


def test_a_host_that_never_comes_is_named(enter):
    done, _ = enter("true", hostfile="lost:2\n", **LAUNCHER)
    assert done.returncode == 1
    assert "the host lost cannot be found" in done.stderr


def test_open_mpi_5_hears_what_is_said_to_open_mpi_4(enter):
    done, _ = enter(
        "env",
        OMPI_MCA_orte_default_hostfile="/etc/mpi/hostfile",
        OMPI_MCA_plm_rsh_args="-o ConnectionAttempts=10",
        **LAUNCHER,
    )
    assert "PRTE_MCA_prte_default_hostfile=/etc/mpi/hostfile\n" in done.stdout
    assert "PRTE_MCA_prte_keep_fqdn_hostnames=true\n" in done.stdout
    assert "PRTE_MCA_plm_ssh_args=-o ConnectionAttempts=10\n" in done.stdout


def test_mpich_5_hears_what_is_said_to_its_elders(enter):
    done, _ = enter("env", HYDRA_LAUNCH_EXTRA_ARGS="-o X=1", **LAUNCHER)
    assert "HYDRA_LAUNCHER_EXTRA_ARGS=-o X=1\n" in done.stdout


@pytest.mark.parametrize("name", ["HYDRA_IFACE", "I_MPI_HYDRA_IFACE"])
def test_workers_are_told_the_launchers_address_where_it_has_but_one(enter, name):
    done, _ = enter("env", interfaces=("lo", "net1"), **LAUNCHER)
    assert f"\n{name}=net1\n" in f"\n{done.stdout}"
    for interfaces in (("eth0", "lo", "net1"), ("lo",)):
        done, _ = enter("env", interfaces=interfaces, **LAUNCHER)
        assert "_IFACE" not in done.stdout


def test_what_somebody_has_set_stays(enter):
    own = {
        "PRTE_MCA_prte_default_hostfile": "/mine",
        "PRTE_MCA_prte_keep_fqdn_hostnames": "false",
        "PRTE_MCA_plm_ssh_args": "-v",
        "HYDRA_LAUNCHER_EXTRA_ARGS": "-q",
        "HYDRA_IFACE": "ib0",
    }
    theirs = {"OMPI_MCA_orte_default_hostfile": "/theirs", "HYDRA_LAUNCH_EXTRA_ARGS": "-o X=1"}
    done, _ = enter("env", **own, **theirs, **LAUNCHER)
    assert {f"{name}={value}" for name, value in own.items()} <= set(done.stdout.splitlines())


def test_the_commands_exit_code_is_the_entrypoints(enter):
    done, _ = enter("sh", "-c", "exit 7", **LAUNCHER)
    assert done.returncode == 7


def test_workers_and_jobs_are_left_alone(enter):
    for role in ({}, {"K_MPI_JOB_ROLE": "worker"}):
        done, asked = enter("env", OMPI_MCA_orte_default_hostfile="/x", hostfile="lost\n", **role)
        assert not re.search("PRTE|HYDRA", done.stdout)
        assert asked == []


def test_the_image_takes_every_version_from_the_lock_file():
    dockerfile = (CONTAINERS / "Dockerfile").read_text()
    locked = (ROOT / "requirements-kubernetes.lock").read_text()
    parts = []
    for option, script in re.findall(r"sed (-n?E) '(/\^mpich.*?)' ", dockerfile):
        done = run("sed", option, script, ROOT / "requirements-kubernetes.lock")
        parts.append(re.findall(r"^([\w.-]+)==", done.stdout, re.MULTILINE))
    names = re.findall(r"^([\w.-]+)==", locked, re.MULTILINE)
    assert parts == [[name for name in names if name != "mpich"], ["mpich"]]


def test_the_images_version_is_the_packages():
    dockerfile = (CONTAINERS / "Dockerfile").read_text()
    assert re.search(r"^ARG VERSION=(.*)$", dockerfile, re.MULTILINE)[1] == __version__


def test_ranks_that_ssh_starts_have_the_images_variables():
    dockerfile = (CONTAINERS / "Dockerfile").read_text().replace("\\\n", " ")
    (image,) = re.findall(r"^ENV (.*)", dockerfile, re.MULTILINE)
    (ssh,) = re.findall(r"^SetEnv (.*)", (CONTAINERS / "sshd_config").read_text(), re.MULTILINE)
    assert ssh.split() == image.split()


@pytest.fixture(scope="module")
def objects():
    """What ``kubectl apply --kustomize`` would apply, by kind."""
    require("kubectl", "kubernetes-client", available=shutil.which("kubectl") is not None)
    done = run("kubectl", "kustomize", CONTAINERS / "kubernetes")
    assert done.returncode == 0, done.stderr
    found = {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}
    assert len(found) == done.stdout.count("\nkind: ")  # one of each kind
    return found


def test_the_role_allows_what_the_executor_asks_for_and_no_more(objects):
    allowed = {
        (group, resource, verb)
        for rule in objects["Role"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    asked = {(group, name, verb) for group, name, verbs in PERMISSIONS for verb in verbs}
    assert allowed == asked


def test_every_object_has_the_recommended_labels(objects):
    names = ("name", "instance", "component", "version", "part-of")
    pod = objects["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]
    for each in (*objects.values(), pod):
        labels = each["metadata"]["labels"]
        assert {f"app.kubernetes.io/{name}" for name in names} <= set(labels)
        assert labels["app.kubernetes.io/version"] == __version__


def test_the_role_is_that_of_the_driver(objects):
    role, binding = objects["Role"]["metadata"], objects["RoleBinding"]
    account = objects["ServiceAccount"]["metadata"]
    assert binding["roleRef"]["name"] == role["name"]
    (subject,) = binding["subjects"]
    assert {key: subject[key] for key in ("name", "namespace")} == {
        key: account[key] for key in ("name", "namespace")
    }
    assert driver(objects)["serviceAccountName"] == account["name"]


def test_all_is_in_one_namespace(objects):
    names = {
        each["metadata"]["name" if kind == "Namespace" else "namespace"]
        for kind, each in objects.items()
    }
    assert len(names) == 1


def driver(objects):
    """The pods of the CronJob."""
    return objects["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_driver_and_pods_have_one_image_and_the_driver_a_place_for_runs(objects):
    (container,) = driver(objects)["containers"]
    settings, claim = objects["ConfigMap"], objects["PersistentVolumeClaim"]
    assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    assert settings["data"] == {"HYBRID_PARSL_K8S_IMAGE": container["image"]}
    (volume,) = [each for each in driver(objects)["volumes"] if each["name"] == "runs"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


@pytest.mark.usefixtures("thorough")
def test_the_drivers_command_is_one(objects, tmp_path):
    (container,) = driver(objects)["containers"]
    program, *arguments = container["args"]
    assert program == "hybrid-parsl"
    arguments[arguments.index("/runs")] = tmp_path
    variables = {**os.environ, **objects["ConfigMap"]["data"], "KUBECONFIG": os.devnull}
    done = run(BIN / program, *arguments, "--dry-run", env=variables)
    assert done.returncode == 0, done.stderr
    assert objects["ConfigMap"]["data"]["HYBRID_PARSL_K8S_IMAGE"] in done.stdout


def test_the_example_of_a_queue_is_of_this_namespace(objects):
    text = (CONTAINERS / "kubernetes" / "kueue-queue.yaml").read_text()
    flavor, cluster_queue, queue = yaml.safe_load_all(text)
    # served since Kueue 0.15, and the only one since 0.20
    versions = {each["apiVersion"] for each in (flavor, cluster_queue, queue)}
    assert versions == {"kueue.x-k8s.io/v1beta2"}
    covered = cluster_queue["spec"]["resourceGroups"][0]["coveredResources"]
    assert set(_DEFAULT_REQUESTS) == set(covered)
    assert queue["metadata"]["namespace"] == objects["Role"]["metadata"]["namespace"]
    assert queue["spec"]["clusterQueue"] == cluster_queue["metadata"]["name"]
    (group,) = cluster_queue["spec"]["resourceGroups"]
    assert [each["name"] for each in group["flavors"]] == [flavor["metadata"]["name"]]


def test_the_driver_keeps_to_the_namespaces_standard(objects):
    pod = driver(objects)
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
