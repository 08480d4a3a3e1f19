"""A watch loses no event and invents none, whatever happens to its connection."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes_api import KubernetesApi
from waiting import PATIENCE_S

from hybrid_parsl.psij_kubernetes import KubernetesExecutorConfig
from hybrid_parsl.psij_kubernetes.client import ApiClient, ApiError
from hybrid_parsl.psij_kubernetes.watch import Watch

LABELS = {"app.kubernetes.io/managed-by": "psij"}


class Notes:
    """Writes down what a watch tells."""

    def __init__(self):
        self.there = {}
        self.events = []
        self.lists = 0
        self.heard = threading.Condition()

    def on_event(self, _kind, event, thing):
        with self.heard:
            name, version = thing["metadata"]["name"], int(thing["metadata"]["resourceVersion"])
            self.events.append((event, name, version))
            if event == "DELETED":
                self.there.pop(name, None)
            else:
                self.there[name] = version
            self.heard.notify_all()

    def on_list(self, _kind, _namespace, found, _asked):
        with self.heard:
            self.lists += 1
            self.there = {name: at for name, at in self.there.items() if name in found}
            self.heard.notify_all()

    def wait(self, condition, timeout_s=PATIENCE_S):
        deadline = time.monotonic() + timeout_s
        with self.heard:
            while not self.heard.wait_for(condition, 0.05):  # it may ask for what nobody notes
                assert time.monotonic() < deadline, (self.there, self.events[-5:])


def put(api, name, labels=LABELS):
    thing = {"metadata": {"name": name, "namespace": "default", "labels": labels}}
    api.store.put("jobs", thing)


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def client(api, tmp_path):
    config = KubernetesExecutorConfig(kubeconfig=api.kubeconfig(tmp_path / "config"), retry_s=5)
    client = ApiClient(config)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def watch(client, notes):
    watch = Watch(client, "job", "default", notes, 0.8)
    yield watch
    watch.stop()


def test_existing_and_new_objects_are_reported(api, watch, notes):
    put(api, "a")
    put(api, "other", labels={})
    watch.start()
    assert set(notes.there) == {"a"}
    put(api, "b")
    notes.wait(lambda: set(notes.there) == {"a", "b"})
    api.store.remove("jobs", "default", "a")
    notes.wait(lambda: set(notes.there) == {"b"})
    assert api.count("GET", "/jobs", watch=False) == 1


def test_list_is_paginated(api, watch, notes, monkeypatch):
    monkeypatch.setattr("hybrid_parsl.psij_kubernetes.watch._PAGE", "3")
    for number in range(10):
        put(api, f"n{number}")
    watch.start()
    assert len(notes.there) == 10
    assert notes.lists == 1
    assert api.count("GET", "/jobs", watch=False) == 4


@pytest.mark.parametrize("action", ["reset", "silent", "end", "garbage"])
def test_broken_watch_continues_from_its_version(api, watch, notes, action):
    put(api, "a")
    api.fail("GET", "/jobs", action, after=1, watch=True)
    watch.start()
    for name in "bcdef":
        put(api, name)
        time.sleep(0.05)
    notes.wait(lambda: set(notes.there) == set("abcdef"))
    assert notes.lists == 1
    versions = [version for _, _, version in notes.events]
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("action", [429, 500, 503, "reset"])
def test_rejected_watch_is_retried(api, watch, notes, action):
    api.fail("GET", "/jobs", action, times=2, watch=True)
    watch.start()
    put(api, "a")
    notes.wait(lambda: set(notes.there) == {"a"})
    assert notes.lists == 1


@pytest.mark.parametrize("how", ["status", "event"])
def test_expired_version_is_listed_again(api, watch, notes, how):
    put(api, "a")
    api.fail("GET", "/jobs", 410 if how == "status" else "error", watch=True)
    watch.start()
    notes.wait(lambda: notes.lists == 2)
    put(api, "b")
    notes.wait(lambda: set(notes.there) == {"a", "b"})


def test_deletion_during_a_disconnect_is_detected(api, watch, notes):
    put(api, "a")
    put(api, "b")
    watch.start()
    notes.wait(lambda: api.count("GET", "/jobs", watch=True) == 1)
    api.stop()
    api.store.remove("jobs", "default", "a")
    api.store.compact()
    api.restart()
    notes.wait(lambda: set(notes.there) == {"b"})
    assert notes.lists == 2


def test_bookmark_avoids_a_list(api, watch, notes):
    watch.start()
    for number in range(20):
        put(api, f"other{number}", labels={})
    time.sleep(3 * api.bookmark_s)
    api.store.compact()
    api.stop()
    api.restart()
    put(api, "a")
    notes.wait(lambda: "a" in notes.there)
    assert notes.lists == 1


def test_server_that_closes_every_watch_is_not_flooded(api, watch):
    api.fail("GET", "/jobs", "end", times=999, watch=True)
    watch.start()
    time.sleep(1.5)
    assert api.count("GET", "/jobs", watch=True) < 15


def test_forbidden_kind_fails_at_start(api, watch):
    api.denied.add(("get", "jobs"))
    with pytest.raises(ApiError, match="forbidden"):
        watch.start()


def test_handler_error_does_not_end_the_watch(api, client):
    class Failing(Notes):
        def on_event(self, kind, event, thing):
            super().on_event(kind, event, thing)
            if thing["metadata"]["name"] == "bad":
                message = "told to fail"
                raise ValueError(message)

    notes = Failing()
    watch = Watch(client, "job", "default", notes, 2)
    watch.start()
    put(api, "bad")
    put(api, "good")
    notes.wait(lambda: "good" in notes.there)
    watch.stop()


def test_unexpected_error_does_not_end_the_watch(api, client, monkeypatch):
    notes = Notes()
    watch = Watch(client, "job", "default", notes, 2)
    watch.start()
    notes.wait(lambda: api.count("GET", "/jobs", watch=True))
    errors = iter([OSError("no file descriptor is left"), KeyError("items")])
    whole = client.open

    def fail(*arguments, **more):
        for error in errors:
            raise error
        return whole(*arguments, **more)

    monkeypatch.setattr(client, "open", fail)
    api.stop()
    api.restart()
    put(api, "a")
    notes.wait(lambda: "a" in notes.there)
    watch.stop()


def test_stop_is_prompt(watch):
    watch.start()
    time.sleep(0.3)
    begun = time.monotonic()
    watch.stop()
    assert time.monotonic() - begun < 3
    assert not [each for each in threading.enumerate() if each.name.endswith("default jobs")]


faults = st.sampled_from(["reset", "end", "garbage", "error", 500, 410, 429])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5)),
        st.tuples(st.just("remove"), st.integers(0, 5)),
        st.tuples(st.just("fault"), faults),
        st.just(("compact", None)),
        st.just(("wait", None)),
    ),
    max_size=25,
)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_state_converges_after_any_sequence_of_events(steps, tmp_path_factory):
    api = KubernetesApi(bookmark_s=0.05)
    file = api.kubeconfig(tmp_path_factory.mktemp("config") / "config")
    client, notes = ApiClient(KubernetesExecutorConfig(kubeconfig=file)), Notes()
    watch = Watch(client, "job", "default", notes, 0.5)
    watch.start()
    try:
        for step, value in steps:
            if step == "put":
                put(api, f"n{value}")
            elif step == "remove":
                api.store.remove("jobs", "default", f"n{value}")
            elif step == "fault":
                api.fail("GET", "/jobs", value, watch=True)
            elif step == "compact":
                api.store.compact()
            else:
                time.sleep(0.03)
        api.faults.clear()
        names = {thing["metadata"]["name"] for thing in api.store.all("jobs")}
        notes.wait(lambda: set(notes.there) == names)
    finally:
        watch.stop()
        client.stop()
        client.close()
        api.stop()
