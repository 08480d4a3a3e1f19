"""Load a kubeconfig or service account with the official client, and renew expired credentials.

Of the Python clients it alone supports every authentication method of a kubeconfig: certificates,
tokens, exec plug-ins, OpenID Connect with refresh, and the service account of a pod.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_DEFAULT = "~/.kube/config"
# detect a dead peer after 30 s
_KEEP_ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 4), 15),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 5), 5),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 6), 3),
]
_RENEWAL_S = 60.0
"""Seconds that a renewal of credentials may take; an exec plug-in may wait for input forever."""


class Session:
    """An authenticated client, replaced when the cluster rejects its credentials.

    Parameters
    ----------
    config
        See `load_client`.

    Attributes
    ----------
    client
        The official `ApiClient`.
    namespace
        Default namespace of the configuration.
    generation
        Number of times that the credentials were renewed.

    Raises
    ------
    ConfigurationError
        See `load_client`.
    """

    def __init__(self, config: KubernetesExecutorConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self.generation = 0
        self.client, self.namespace = load_client(config)

    def renew(self, generation: int) -> None:
        """Renew the credentials unless another thread has done so since `generation`.

        Raises
        ------
        ConfigurationError
            If no credentials can be obtained now.
        TimeoutError
            If that takes longer than a minute.
        """
        if not self._lock.acquire(timeout=_RENEWAL_S):
            raise _timeout()
        try:
            if generation == self.generation:
                self.client, _ = _call_with_timeout(lambda: load_client(self._config), _RENEWAL_S)
                self.generation += 1
        finally:
            self._lock.release()


def _timeout() -> TimeoutError:
    """Return the error of a renewal that took too long."""
    return TimeoutError(f"no answer in {_RENEWAL_S:.0f} s")


def _call_with_timeout(call: Callable[[], tuple[Any, str]], limit_s: float) -> tuple[Any, str]:
    """Return the result of `call`, run on a daemon thread because an exec plug-in may hang.

    Raises
    ------
    ConfigurationError
        If `call` raises it.
    TimeoutError
        If `call` does not return within `limit_s` seconds.
    """
    results: list[tuple[Any, str] | ConfigurationError] = []

    def run() -> None:
        try:
            results.append(call())
        except ConfigurationError as error:
            results.append(error)

    thread = threading.Thread(target=run, name="psij-kubernetes login", daemon=True)
    thread.start()
    thread.join(limit_s)
    if not results:
        raise _timeout()
    if isinstance(results[0], ConfigurationError):
        raise results[0]
    return results[0]


def resolve_namespace(config: KubernetesExecutorConfig) -> str:
    """Return the namespace that `load_client` would select, without authenticating.

    ``default`` if the configuration cannot be read: `load_client` reports why.
    """
    if config.namespace:
        return config.namespace
    try:
        if _uses_service_account(config):
            return _own_namespace() or "default"
        import kubernetes.config as loader

        found = _context(loader, _kubeconfig(config), config.context).get("namespace")
    except Exception:  # noqa: BLE001 - an invalid file makes the client or YAML raise any error
        return "default"
    return str(found or "default")


def _kubeconfig(config: KubernetesExecutorConfig) -> str:
    """Return the path of the kubeconfig, or several paths joined as in ``$KUBECONFIG``."""
    return str(config.kubeconfig or os.environ.get("KUBECONFIG") or Path(_DEFAULT).expanduser())


def _uses_service_account(config: KubernetesExecutorConfig) -> bool:
    """Return whether to use the service account of this pod: no kubeconfig is given or found."""
    if "KUBERNETES_SERVICE_HOST" not in os.environ or config.context:
        return False
    named = config.kubeconfig or os.environ.get("KUBECONFIG")
    return not named and not Path(_kubeconfig(config)).exists()


def _own_namespace() -> str:
    """Return the namespace of the pod that this process runs in; empty if unknown."""
    path = _SERVICE_ACCOUNT / "namespace"
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def _context(loader: Any, source: str, name: str | None) -> dict[str, Any]:
    """Return the context `name` of a kubeconfig; the current context if None."""
    contexts, current = loader.list_kube_config_contexts(source)
    chosen = next((each for each in contexts if each["name"] == name), current)
    found: dict[str, Any] = chosen["context"]
    return found


def load_client(config: KubernetesExecutorConfig) -> tuple[Any, str]:
    """Return an authenticated client and the namespace of the configuration.

    Parameters
    ----------
    config
        Selects kubeconfig, context and namespace. Inside a cluster, without any of them and
        without a kubeconfig, the service account of the pod is used.

    Raises
    ------
    ConfigurationError
        If the official client is not installed or the configuration is invalid.
    """
    try:
        import kubernetes.client as official
        import kubernetes.config as loader
    except ImportError as error:
        message = "the Kubernetes client is not installed"
        valid = "pip install 'hybrid-parsl[kubernetes]', or in a clone '.[kubernetes]'"
        raise ConfigurationError(message, "executor kubernetes", valid=valid) from error
    configuration = official.Configuration()
    configuration.retries = False
    configuration.connection_pool_maxsize = config.n_threads + 8
    configuration.socket_options = _KEEP_ALIVE
    file = config.kubeconfig or os.environ.get("KUBECONFIG")
    inside = "KUBERNETES_SERVICE_HOST" in os.environ
    source = _kubeconfig(config)
    try:
        if _uses_service_account(config):
            loader.load_incluster_config(client_configuration=configuration)
            namespace = _own_namespace()
        else:
            loader.load_kube_config(source, config.context, client_configuration=configuration)
            chosen = _context(loader, source, config.context)
            namespace = chosen.get("namespace") or ""
            _check_plugin(loader, source, chosen.get("user"), configuration)
    except Exception as error:  # an invalid file makes the client or YAML raise any error
        message = str(error).strip() or repr(error)
        if not (inside or any(Path(each).exists() for each in source.split(os.pathsep))):
            message = "no such file"
        where = source if file or not inside else "service account"
        key = None if config.context is None else "context"
        raise ConfigurationError(message, where, key, config.context) from error
    configuration.refresh_api_key_hook = None  # `Session` renews rejected credentials
    return official.ApiClient(configuration), config.namespace or namespace or "default"


def _check_plugin(loader: Any, source: str, user: str | None, configuration: Any) -> None:
    """Raise an error if an exec plug-in failed: the client only logs that and goes on anonymously.

    Raises
    ------
    ValueError
        If the plug-in returned no credentials.
    """
    if configuration.api_key.get("BearerToken") or configuration.cert_file:
        return
    users = loader.kube_config.KubeConfigMerger(source).config["users"]
    entry = users.get_with_name(user, safe=True)
    plugin = (entry.value.get("user") or {}).get("exec") if entry else None
    if plugin:
        message = f"the exec plug-in {plugin.get('command')} returned no credentials of {user}"
        raise ValueError(message)
