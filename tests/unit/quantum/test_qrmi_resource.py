from __future__ import annotations

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.quantum.qrmi_resource import find_resource, granted_resources

ENDPOINT = "https://us-east.quantum.cloud.ibm.com/api/v1"


def variables(name: str = "fez", service: str = "QCS", **changes: str) -> dict[str, str]:
    values = {
        "ENDPOINT": ENDPOINT,
        "IAM_ENDPOINT": "https://iam.cloud.ibm.com",
        "IAM_APIKEY": "a key",
        "SERVICE_CRN": "crn:v1",
        **changes,
    }
    return {f"{name}_QRMI_IBM_{service}_{key}": value for key, value in values.items()}


@pytest.mark.parametrize("service", ["QCS", "QRS"])
def test_a_granted_qpu(service: str) -> None:
    found = find_resource("fez", "qrmi:fez", variables(service=service))
    assert found == (ENDPOINT, "https://iam.cloud.ibm.com", "a key", "crn:v1", None)


@pytest.mark.parametrize("name", ["QRMI_JOB_ACQUISITION_TOKEN", "fez_QRMI_JOB_ACQUISITION_TOKEN"])
def test_a_granted_session(name: str) -> None:
    assert find_resource("fez", "qrmi:fez", {**variables(), name: "s-1"}).session == "s-1"


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (ENDPOINT, "https://cloud.ibm.com"),
        ("https://quantum.cloud.ibm.com/api/v1", "https://cloud.ibm.com"),
        ("http://127.0.0.1:8765/api/v1", "http://127.0.0.1:8765"),
    ],
)
def test_the_url_of_the_client(endpoint: str, url: str) -> None:
    assert find_resource("fez", "qrmi:fez", variables(ENDPOINT=endpoint)).url == url


def test_names_are_those_with_a_key() -> None:
    assert granted_resources({**variables("kyiv", "QRS"), **variables(), "HOME": "/"}) == [
        "fez",
        "kyiv",
    ]


@pytest.mark.parametrize(
    ("environment", "words", "valid"),
    [
        ({}, "from a job that was granted the QPU", "a Slurm job with --qpu=fez"),
        (variables("fezz"), "another QPU", "qrmi:fezz"),
        (variables(SERVICE_CRN=""), "not set: fez_QRMI_IBM_QCS_SERVICE_CRN", None),
        ({"SLURM_JOB_QPU_RESOURCES": "a,fez"}, "not one of IBM's", "a QPU whose variables"),
        (
            {"QRMI_JOB_QPU_RESOURCES": "a;fez", "QRMI_LIST_DELIMITER": ";"},
            "not one of IBM's",
            "a QPU whose variables",
        ),
    ],
)
def test_a_qpu_that_was_not_granted(
    environment: dict[str, str], words: str, valid: str | None
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        find_resource("fez", "qrmi:fez", environment)
    assert caught.value.key == "quantum.backend"
    assert (caught.value.valid or "").startswith(valid or "")
    assert "a key" not in str(caught.value)
