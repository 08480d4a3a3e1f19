"""Object names are valid and deterministic."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.psij_kubernetes.names import NativeId, label_value, object_name

RFC_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")


@given(st.none() | st.text(max_size=80), st.text(max_size=80))
def test_every_name_is_a_short_dns_label(name, key):
    found = object_name(name, key)
    assert RFC_1035.fullmatch(found)
    assert len(f"{found}-worker-99999") <= 63


@given(st.text(max_size=80), st.text(max_size=80))
def test_two_tasks_have_two_names(first, second):
    assert (object_name("search", first) == object_name("search", second)) == (first == second)


def test_object_name_starts_with_the_job_name():
    assert object_name("/usr/bin/Find it!", "k").startswith("find-it-")
    assert object_name("42", "k").startswith("job-")


@given(st.text(max_size=200))
def test_label_values_are_valid(text):
    assert LABEL.fullmatch(label_value(text))
    assert len(label_value(text)) <= 63


def test_ids_can_be_read_again():
    native_id = NativeId("mpijob", "physics", "search-1")
    assert NativeId.parse(str(native_id)) == native_id


@pytest.mark.parametrize("text", ["", "17", "job/x", "pod/a/b", "job/a/b/c", "job//b"])
def test_invalid_ids_are_rejected(text):
    with pytest.raises(ValueError, match="job/NAMESPACE/NAME"):
        NativeId.parse(text)
