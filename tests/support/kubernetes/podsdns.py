"""The least DNS that pods need: it asks the API server at each question.

python podsdns.py FOLDER_OF_CERTIFICATES API_SERVER ADDRESS

Like the DNS of any cluster it goes on answering while the API server is away. It answers for
``HOSTNAME.SUBDOMAIN.NAMESPACE.svc.cluster.local`` (the pod) and for
``SERVICE.NAMESPACE.svc.cluster.local`` (its address, or those of its pods if it is headless).
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

_DOMAIN = ".svc.cluster.local"
_ADDRESS = 1


class Names:
    """Looks names up in a cluster."""

    def __init__(self, certificates, server):
        self._server = server
        self._context = ssl.create_default_context(cafile=certificates / "ca.crt")
        self._context.load_cert_chain(certificates / "admin.crt", certificates / "admin.key")
        self._known = {}

    def resolve(self, name):
        """Return the addresses of `name`; none if it is not known."""
        try:
            self._known[name] = self._find(name)
        except OSError as error:
            if isinstance(error, urllib.error.HTTPError):
                raise  # an answer of the API server: there is no such thing
        return self._known.get(name, [])

    def _find(self, name):
        """Ask the API server for the addresses of `name`."""
        name = name.rstrip(".").lower()
        if not name.endswith(_DOMAIN):
            return []
        parts = name.removesuffix(_DOMAIN).split(".")
        if len(parts) == 3:
            host, subdomain, namespace = parts
            pods = self._get(f"/api/v1/namespaces/{namespace}/pods")["items"]
            fitting = [
                pod
                for pod in pods
                if pod["spec"].get("hostname") == host
                and pod["spec"].get("subdomain") == subdomain
                and pod["status"]["phase"] in ("Pending", "Running")
            ]
            return _addresses(fitting)
        if len(parts) == 2:
            return self._service(*parts)
        return []

    def _service(self, name, namespace):
        spec = self._get(f"/api/v1/namespaces/{namespace}/services/{name}")["spec"]
        if spec.get("clusterIP") not in (None, "None"):
            return [spec["clusterIP"]]
        selector = ",".join(f"{key}={value}" for key, value in spec.get("selector", {}).items())
        query = urllib.parse.quote(selector)
        return _addresses(
            self._get(f"/api/v1/namespaces/{namespace}/pods?labelSelector={query}")["items"]
        )

    def _get(self, path):
        with urllib.request.urlopen(
            self._server + path, context=self._context, timeout=5
        ) as answer:
            return json.load(answer)


def _addresses(pods):
    return [pod["status"]["podIP"] for pod in pods if pod["status"].get("podIP")]


def answer(question, names):
    """Return the answer to a question in DNS' own format (RFC 1035)."""
    at, labels = 12, []
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += question[at] + 1
    (kind,) = struct.unpack(">H", question[at + 1 : at + 3])
    try:
        found = names.resolve(".".join(labels))
    except OSError:
        found = []
    addresses = found if kind == _ADDRESS else []
    head = struct.pack(">HHHHH", 0x8580 | (0 if found else 3), 1, len(addresses), 0, 0)
    records = b"".join(
        b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04" + socket.inet_aton(each)
        for each in addresses
    )
    return question[:2] + head + question[12 : at + 5] + records


def main():
    """Answer until ended."""
    certificates, server, address = sys.argv[1:4]
    names = Names(Path(certificates), server)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((address, 53))
        while True:
            question, peer = listening.recvfrom(1500)
            try:
                listening.sendto(answer(question, names), peer)
            except (IndexError, UnicodeDecodeError, struct.error):
                continue  # no question


if __name__ == "__main__":
    main()
