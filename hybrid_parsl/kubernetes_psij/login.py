"""Logs in to a cluster, with the official client.

Of the three clients for Python it is the only one that knows every way of a kubeconfig to log in:
certificates, tokens, exec plug-ins, OpenID Connect with refresh, and the service account of a pod.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
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
        valid = "pip install 'hybrid-parsl[kubernetes]', in the project's folder '.[kubernetes]'"
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
    except Exception as error:  # a wrong file makes the client and YAML raise anything
        message = str(error).strip() or repr(error)
        if not (inside or any(Path(each).exists() for each in source.split(os.pathsep))):
            message = "there is no such file"
        where = source if file or not inside else "service account"
        key = None if config.context is None else "context"
        raise ConfigurationError(message, where, key, config.context) from error
    return official.ApiClient(configuration), config.namespace or namespace or "default"
