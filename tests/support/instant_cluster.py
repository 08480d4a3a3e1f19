"""The small API server as a program of its own, whose pods end at once: for benchmarks."""

from __future__ import annotations

import collections
import json
import signal
import threading

from kubernetes_api import KubernetesApi, _Handler
from pod_runner import PodRunner


class Instant(PodRunner):
    """Carries out each job in the thread that creates it, in three steps."""

    def _heard(self, plural, event, thing):
        if plural in ("jobs", "mpijobs") and event == "ADDED":
            pod = self.make_pod(thing)
            self.set_running(pod)
            self.api.logs[pod[1]] = b"x\n"
            self.end(pod, 0)
            self.finish(plural, thing, 0)
        elif plural in ("jobs", "mpijobs") and event == "DELETED":
            where = (thing["metadata"]["namespace"], thing["metadata"]["name"] + "-abcde")
            self.api.logs.pop(where[1], None)
            self.store.remove("pods", *where)


def serve(kubeconfig):
    """Serve until terminated; print the address."""
    api = KubernetesApi(bookmark_s=5)
    Instant(api)
    plain = _Handler.do_GET

    def with_counts(handler):
        if handler.path == "/calls":
            with api._lock:
                found, api.calls[:] = list(api.calls), []
            handler._send(200, json.dumps(_count(found)).encode())
        else:
            plain(handler)

    _Handler.do_GET = with_counts
    api.kubeconfig(kubeconfig)
    print(api.url, flush=True)  # noqa: T201
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()


def _count(calls):
    counts = collections.Counter()
    for method, path, query in calls:
        words = path.split("/")
        plural = next(each for each in ("log", "jobs", "pods", "events") if each in words)
        is_list = method == "GET" and words[-1] == plural != "log"
        verb = "WATCH" if "watch" in query else "LIST" if is_list else method
        counts[f"{verb} {plural}"] += 1
    return counts
