"""Authentication methods, and errors that name the wrong file."""

from __future__ import annotations

import json
import stat
import threading
import time

import psij
import pytest
from waiting import wait_until

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.psij_kubernetes import KubernetesExecutorConfig, auth


def executor(path=None, **more):
    config = KubernetesExecutorConfig(kubeconfig=path, retry_s=2, **more)
    return psij.JobExecutor.get_instance("kubernetes", config=config)


def works(found):
    try:
        return found.list() == []
    finally:
        found.close()


@pytest.fixture(autouse=True)
def no_settings_of_whoever_runs_the_tests(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


def test_a_token(api, tmp_path):
    api.token = "secret"
    assert works(executor(api.kubeconfig(tmp_path / "config", user={"token": "secret"})))
    with pytest.raises(psij.SubmitException, match="Unauthorized"):
        works(executor(api.kubeconfig(tmp_path / "other", user={"token": "wrong"})))


@pytest.fixture
def plugin(tmp_path):
    """An exec plug-in whose n-th token is token-n; it fails, or hangs, while a file is there."""
    script = tmp_path / "login"
    script.write_text(
        "#!/bin/sh\n"
        f"cd {tmp_path}\n"
        "[ ! -e hangs ] || { while [ -e hangs ]; do sleep .05; done; exit 1; }\n"
        "[ ! -e away ] || { echo 'i/o timeout' >&2; exit 1; }\n"
        "n=$(cat count 2>/dev/null || echo 0)\n"
        "echo $((n + 1)) > count\n"
        'printf \'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", \'\n'
        'printf \'"status": {"token": "token-%s"}}\' "$n"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(script),
            "interactiveMode": "Never",
        }
    }


def test_exec_plugin_is_run_again_when_its_token_expires(api, tmp_path, plugin):
    api.token = "token-0"
    found = executor(api.kubeconfig(tmp_path / "config", user=plugin))
    assert found.list() == []
    api.token = "token-1"
    assert works(found)
    assert (tmp_path / "count").read_text() == "2\n"


def test_failed_exec_plugin_is_a_transient_error_not_anonymous_access(api, tmp_path, plugin):
    api.token = "token-0"
    found = executor(api.kubeconfig(tmp_path / "config", user=plugin))
    api.token = "token-1"
    (tmp_path / "away").touch()
    with pytest.raises(
        psij.SubmitException, match=r"cannot renew the credentials: .*no credentials"
    ) as told:
        found.list()
    assert told.value.transient
    (tmp_path / "away").unlink()
    assert works(found)


def test_failed_exec_plugin_at_start_is_a_configuration_error(api, tmp_path, plugin):
    (tmp_path / "away").touch()
    with pytest.raises(ConfigurationError, match="login returned no credentials of u"):
        executor(api.kubeconfig(tmp_path / "config", user=plugin))


def test_hanging_exec_plugin_times_out(api, tmp_path, plugin, monkeypatch):
    monkeypatch.setattr(auth, "_RENEWAL_S", 0.5)
    api.token = "token-0"
    found = executor(api.kubeconfig(tmp_path / "config", user=plugin))
    api.token = "token-1"
    (tmp_path / "hangs").touch()
    begun = time.monotonic()
    with pytest.raises(psij.SubmitException, match="cannot renew the credentials: no answer"):
        found.list()
    assert time.monotonic() - begun < 20
    (tmp_path / "hangs").unlink()
    assert works(found)
    wait_until(lambda: not [each for each in threading.enumerate() if "login" in each.name])


def test_kubeconfig_from_variable_or_home_folder(api, tmp_path, monkeypatch):
    (tmp_path / ".kube").mkdir()
    api.kubeconfig(tmp_path / ".kube" / "config", namespace="home")
    found = executor()
    assert found._jobs._api.namespace == "home"
    assert works(found)
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "other", namespace="variable")))
    found = executor()
    assert found._jobs._api.namespace == "variable"
    assert works(found)


def test_the_url_is_a_context(api, tmp_path):
    path = api.kubeconfig(tmp_path / "config")
    config = json.loads(path.read_text())
    context = {"cluster": "c", "user": "u", "namespace": "there"}
    config["contexts"].append({"name": "second", "context": context})
    path.write_text(json.dumps(config))
    settings = KubernetesExecutorConfig(kubeconfig=path)
    found = psij.JobExecutor.get_instance("kubernetes", url="second", config=settings)
    assert found._jobs._api.namespace == "there"
    assert works(found)


def test_inside_a_cluster_the_service_account_is_used(api, tmp_path, monkeypatch):
    from kubernetes.config import incluster_config

    (tmp_path / "token").write_text("robot")
    (tmp_path / "ca").write_text("x")
    (tmp_path / "namespace").write_text("inside\n")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.port))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca"))
    monkeypatch.setattr(auth, "_SERVICE_ACCOUNT", tmp_path)
    found = executor()
    assert found._jobs._api.namespace == "inside"
    configuration = found._jobs._api._session.client.configuration
    assert configuration.host == f"https://127.0.0.1:{api.port}"
    assert configuration.auth_settings()["BearerToken"]["value"] == "bearer robot"
    found.close()


def test_unknown_context_is_an_error(api, tmp_path):
    path = api.kubeconfig(tmp_path / "config")
    with pytest.raises(ConfigurationError, match="context") as caught:
        executor(path, context="none")
    assert (caught.value.source, caught.value.found) == (str(path), "none")


@pytest.mark.parametrize("text", ["", "\t[", "[]", "a: b", "clusters: 7\ncurrent-context: x"])
def test_invalid_kubeconfig_is_an_error(tmp_path, text):
    (tmp_path / "config").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        executor(tmp_path / "config")
    assert (caught.value.source, caught.value.key) == (str(tmp_path / "config"), None)


def test_missing_kubeconfig_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match="no such file") as caught:
        executor()
    assert str(tmp_path) in caught.value.source
