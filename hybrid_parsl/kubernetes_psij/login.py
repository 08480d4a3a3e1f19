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
from hybrid_parsl.kubernetes_psij.answers import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybrid_parsl.kubernetes_psij.config import KubernetesExecutorConfig

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
    source = str(file or Path(_DEFAULT).expanduser())
    try:
        if inside and not (file or config.context or Path(source).exists()):
            loader.load_incluster_config(client_configuration=configuration)
            own = _SERVICE_ACCOUNT / "namespace"
            namespace = own.read_text(encoding="utf-8").strip() if own.exists() else ""
        else:
            loader.load_kube_config(source, config.context, client_configuration=configuration)
            contexts, current = loader.list_kube_config_contexts(source)
            chosen = next((each for each in contexts if each["name"] == config.context), current)
            namespace = chosen["context"].get("namespace") or ""
            _check_plugin(loader, source, chosen["context"].get("user"), configuration)
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
