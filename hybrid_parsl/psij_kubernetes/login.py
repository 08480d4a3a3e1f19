"""Logs in to a cluster, with the official client.

Of the three clients for Python it is the only one that knows every way of a kubeconfig to log in:
certificates, tokens, exec plug-ins, OpenID Connect with refresh, and the service account of a pod.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.psij_kubernetes.answers import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybrid_parsl.psij_kubernetes.config import KubernetesExecutorConfig

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_DEFAULT = "~/.kube/config"
# a peer that is gone without a word is noticed after half a minute
_KEEP_ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 4), 15),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 5), 5),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 6), 3),
]
_RENEWAL_S = 60.0
"""How long whoever gives out logins may take for another one; nobody sits and waits for it."""
_NO_LOGIN = f"cannot log in again: no answer in {_RENEWAL_S:.0f} s"


class Login:
    """A client of a cluster, made anew when the cluster does not accept its login any more.

    Parameters
    ----------
    config
        As for `log_in`.

    Attributes
    ----------
    client
        The official client.
    namespace
        Where to work.
    number
        How often the login was renewed.

    Raises
    ------
    ConfigurationError
        As `log_in` does.
    """

    def __init__(self, config: KubernetesExecutorConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self.number = 0
        self.client, self.namespace = log_in(config)

    def renew(self, refused: int) -> None:
        """Log in anew, unless that was done since the login of the number `refused`.

        Raises
        ------
        ApiError
            That does not work now: whoever gives out logins may be away.
        """
        if not self._lock.acquire(timeout=_RENEWAL_S):
            raise ApiError(0, _NO_LOGIN)
        try:
            if refused == self.number:
                self.client, _ = _within(lambda: log_in(self._config), _RENEWAL_S)
                self.number += 1
        except ConfigurationError as error:
            message = f"cannot log in again: {error}"
            raise ApiError(0, message) from error
        finally:
            self._lock.release()


def _within(call: Callable[[], tuple[Any, str]], limit_s: float) -> tuple[Any, str]:
    """Return what `call` returns, on another thread: a plug-in may hang.

    Raises
    ------
    ApiError
        It has not returned in `limit_s` seconds.
    ConfigurationError
        As `call` does.
    """
    answers: list[tuple[Any, str] | ConfigurationError] = []

    def run() -> None:
        try:
            answers.append(call())
        except ConfigurationError as error:
            answers.append(error)

    thread = threading.Thread(target=run, name="psij-kubernetes login", daemon=True)
    thread.start()
    thread.join(limit_s)
    if not answers:
        raise ApiError(0, _NO_LOGIN)
    if isinstance(answers[0], ConfigurationError):
        raise answers[0]
    return answers[0]


def planned_namespace(config: KubernetesExecutorConfig) -> str:
    """Return the namespace that `log_in` would work in, without logging in.

    It is ``default`` where the configuration cannot be read: `log_in` reports why.
    """
    if config.namespace:
        return config.namespace
    try:
        if _uses_service_account(config):
            return _own_namespace() or "default"
        import kubernetes.config as loader

        found = _context(loader, _kubeconfig(config), config.context).get("namespace")
    except Exception:  # noqa: BLE001 - a wrong file makes the client and YAML raise anything
        return "default"
    return str(found or "default")


def _kubeconfig(config: KubernetesExecutorConfig) -> str:
    """Return the path of the kubeconfig, or several paths as in ``$KUBECONFIG``."""
    return str(config.kubeconfig or os.environ.get("KUBECONFIG") or Path(_DEFAULT).expanduser())


def _uses_service_account(config: KubernetesExecutorConfig) -> bool:
    """Return whether a pod's own account is used, because nothing names another login."""
    if "KUBERNETES_SERVICE_HOST" not in os.environ or config.context:
        return False
    named = config.kubeconfig or os.environ.get("KUBECONFIG")
    return not named and not Path(_kubeconfig(config)).exists()


def _own_namespace() -> str:
    """Return the namespace of the pod that this process runs in; empty if it is not known."""
    path = _SERVICE_ACCOUNT / "namespace"
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def _context(loader: Any, source: str, name: str | None) -> dict[str, Any]:
    """Return the context `name` of a kubeconfig, the current one if None."""
    contexts, current = loader.list_kube_config_contexts(source)
    chosen = next((each for each in contexts if each["name"] == name), current)
    found: dict[str, Any] = chosen["context"]
    return found


def log_in(config: KubernetesExecutorConfig) -> tuple[Any, str]:
    """Return a client of the cluster, and the namespace to work in.

    Parameters
    ----------
    config
        Which kubeconfig, context and namespace; where all are left out and there is no kubeconfig,
        inside a cluster, its service account.

    Raises
    ------
    ConfigurationError
        The client is not installed, or the cluster's configuration cannot be used.
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
    except Exception as error:  # a wrong file makes the client and YAML raise anything
        message = str(error).strip() or repr(error)
        if not (inside or any(Path(each).exists() for each in source.split(os.pathsep))):
            message = "there is no such file"
        where = source if file or not inside else "service account"
        key = None if config.context is None else "context"
        raise ConfigurationError(message, where, key, config.context) from error
    configuration.refresh_api_key_hook = None  # a login that is refused is renewed, by one thread
    return official.ApiClient(configuration), config.namespace or namespace or "default"


def _check_plugin(loader: Any, source: str, user: str | None, configuration: Any) -> None:
    """Refuse to go on as nobody when a plug-in has given no login: the client only logs that.

    Raises
    ------
    ValueError
        It has given none.
    """
    if configuration.api_key.get("BearerToken") or configuration.cert_file:
        return
    users = loader.kube_config.KubeConfigMerger(source).config["users"]
    entry = users.get_with_name(user, safe=True)
    plugin = (entry.value.get("user") or {}).get("exec") if entry else None
    if plugin:
        message = f"{plugin.get('command')}, which logs in {user}, has given no login"
        raise ValueError(message)
