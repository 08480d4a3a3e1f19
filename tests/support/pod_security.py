"""The Pod Security Standard ``restricted``, with all of ``baseline``, for the spec of a pod.

Written from kubernetes.io/docs/concepts/security/pod-security-standards (version 1.34), for
Linux pods. The tests' own cluster is too old to have the admission plug-in.
"""

from __future__ import annotations

_HOST_KEYS = ("hostNetwork", "hostPID", "hostIPC")
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SELINUX_TYPES = {
    None,
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
}
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
_PROFILES = {"RuntimeDefault", "Localhost"}


def violations(pod):
    """Return what the policy refuses in a pod's spec, as dotted paths."""
    found = [f"spec.{key}" for key in _HOST_KEYS if pod.get(key)]
    found += [
        f"spec.volumes[{volume['name']}]"
        for volume in pod.get("volumes", [])
        if not set(volume) - {"name"} <= _VOLUMES
    ]
    context = pod.get("securityContext") or {}
    found += [f"spec.securityContext.{fault}" for fault in _common(context)]
    found += [
        f"spec.securityContext.sysctls[{each['name']}]"
        for each in context.get("sysctls", [])
        if each["name"] not in _SYSCTLS
    ]
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(kind, []):
            where = f"spec.{kind}[{container['name']}]"
            found += [f"{where}.{fault}" for fault in _container(container, context)]
    return found


def _common(context):
    """Return the faults that a context of a pod and one of a container can have."""
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "windowsOptions.hostProcess"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type") not in _SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield "appArmorProfile.type"
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") not in _PROFILES:
        yield "seccompProfile.type"
    if context.get("runAsUser") == 0:
        yield "runAsUser"


def _container(container, pod_context):
    """Return the faults of a container."""
    context = container.get("securityContext") or {}
    yield from (f"securityContext.{fault}" for fault in _common(context))
    if context.get("privileged"):
        yield "securityContext.privileged"
    if context.get("procMount", "Default") != "Default":
        yield "securityContext.procMount"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "securityContext.allowPrivilegeEscalation"
    if context.get("runAsNonRoot", pod_context.get("runAsNonRoot")) is not True:
        yield "securityContext.runAsNonRoot"
    if not (context.get("seccompProfile") or pod_context.get("seccompProfile")):
        yield "securityContext.seccompProfile"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in capabilities.get("drop", []):
        yield "securityContext.capabilities.drop"
    if not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}:
        yield "securityContext.capabilities.add"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "ports.hostPort"
    handlers = [container.get(f"{kind}Probe") for kind in ("liveness", "readiness", "startup")]
    handlers += (container.get("lifecycle") or {}).values()
    actions = [each.get(key) or {} for each in handlers if each for key in ("httpGet", "tcpSocket")]
    if any(action.get("host") for action in actions):
        yield "probe.host"
