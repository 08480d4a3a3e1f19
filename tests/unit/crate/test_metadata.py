from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from ended_runs import QASM, document, entities, make_run, task

from hybrid_parsl.crate.metadata import NO_LICENSE, write_crate
from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def ids(value) -> list[str]:
    """Return the identifiers that a property refers to."""
    several = value if isinstance(value, list) else [value]
    return [each["@id"] for each in several if isinstance(each, dict)]


def test_every_reference_leads_to_an_entity_and_every_file_has_its_checksum(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "r")
    found = entities(directory)
    for entity in found.values():
        for key, value in entity.items():
            for identifier in [] if key.startswith("@") else ids(value):
                known = identifier in found or identifier.startswith("https://w3id.org/ro/")
                assert known, (entity["@id"], key, identifier)
    files = {name: each for name, each in found.items() if "sha256" in each}
    assert set(ids(found["./"]["hasPart"])) == set(files)
    for name, each in files.items():
        content = (directory.path / name).read_bytes()
        assert each["sha256"] == hashlib.sha256(content).hexdigest()
        assert each["contentSize"] == str(len(content))


def test_a_run_has_what_it_was_made_of(tmp_path: Path) -> None:
    found = entities(make_run(tmp_path / "r"))
    assert found["#value-search.seed"]["value"] == 7
    assert found["pkg:pypi/hybrid-parsl@0.1.0%2Bab"]["softwareVersion"] == "0.1.0+ab"
    assert found["#run"]["instrument"] == {"@id": "code/apps/workflows.py"}
    assert {"experiment.toml", "#site", "tasks/.psij/26862.job"} <= set(
        ids(found["#run"]["object"])
    )
    assert found["#image"]["name"] == "registry/image:1"
    assert found["#site-token"]["value"] == "(hidden)"
    assert "#site-walltime" not in found
    assert found["./"]["license"] == NO_LICENSE


def test_a_task_has_its_job_times_backend_and_circuit(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "r")
    found = entities(directory)
    search, quantum = found["#task-search"], found["#task-quantum"]
    assert found[search["identifier"]["@id"]]["value"] == "26862"
    assert search["startTime"] == "2026-01-02T00:00:01.000+00:00"
    assert found[search["location"]["@id"]]["name"] == "node1"
    assert "#energy-search" in ids(quantum["object"])
    assert found["#calibration-time-quantum"]["value"] == "2024-05-27T18:27:23+00:00"
    assert found["#backend-quantum"]["value"] == "fake:manila 0.41"
    assert found[quantum["identifier"]["@id"]]["value"] == "d1234"
    assert "#qpu_usage_s-quantum" in ids(quantum["resourceUsage"])
    assert "circuits/quantum.qasm" in ids(quantum["result"])
    assert (directory.path / "circuits/quantum.qasm").read_text() == QASM


@pytest.mark.parametrize("name", ["../../victim/x", "/victim", "a\0b", "", ".hidden", "a/b"])
def test_a_name_that_no_task_has_makes_no_file(tmp_path: Path, name: str) -> None:
    results = document()
    results["tasks"][name] = task({"circuit": {"qasm3": QASM}})
    results["tasks"]["3.größe=2-1"] = task({"circuit": {"qasm3": QASM}})
    directory = make_run(tmp_path / "r", results)
    circuits = directory.path / "circuits"
    assert {each.name for each in circuits.iterdir()} == {"quantum.qasm", "3.größe=2-1.qasm"}
    assert list(tmp_path.iterdir()) == [directory.path]


def test_pickles_empty_files_and_settings_of_the_site_are_no_part(tmp_path: Path) -> None:
    parts = ids(entities(make_run(tmp_path / "r"))["./"]["hasPart"])
    assert not {"tasks/search/result.frame", "tasks/search/stdout.log", "site.json"} & set(parts)


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    results = document(error={"type": "RankFailedError", "message": "rank 1 was killed"})
    results["run"]["status"] = "failed"
    results["tasks"]["quantum"] |= {"status": "failed", "error": "no counts", "result": None}
    found = entities(make_run(tmp_path / "r", results))
    assert found["#run"]["error"] == "rank 1 was killed"
    assert found["#task-quantum"]["actionStatus"].endswith("FailedActionStatus")
    assert found["#task-search"]["actionStatus"].endswith("CompletedActionStatus")


def test_secrets_in_errors_are_masked(tmp_path: Path) -> None:
    error = {"type": "RuntimeError", "message": "TOKEN=S-1 at https://user:S-2@host"}
    results = document(error=error)
    results["run"]["status"] = "failed"
    results["tasks"]["quantum"] |= {"status": "failed", "error": error["message"], "result": None}
    found = entities(make_run(tmp_path / "r", results))
    assert "S-" not in json.dumps(found)
    assert "TOKEN=(hidden)" in found["#run"]["error"]


def test_a_run_without_a_task_has_no_steps(tmp_path: Path) -> None:
    found = entities(make_run(tmp_path / "r", document(tasks={})))
    profiles = ids(found["./"]["conformsTo"])
    assert not any("provenance" in each for each in profiles)
    assert any("wfrun/workflow" in each for each in profiles)
    assert "#engine" not in found


def test_the_tasks_of_a_study_share_steps_and_are_bounded(tmp_path: Path) -> None:
    tasks = {f"{n}.search": task({"energy": -1.0}) for n in range(300)}
    points = [{"name": str(n), "values": {"search.seed": n}, "tasks": {}} for n in range(300)]
    results = document(tasks=tasks, study={"keys": ["search.seed"], "points": points})
    directory = make_run(tmp_path / "r", results)
    found = entities(directory)
    assert [each for each in found if each.startswith("#step-")] == [
        "#step-search-hybrid_parsl.stages.search:search"
    ]
    assert len(ids(found["#engine"]["object"])) == 100
    assert "100 of 300 tasks" in found["./"]["description"]
    assert (directory.path / "ro-crate-metadata.json").stat().st_size < 2**20


def test_license_and_author(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "r")
    url = "https://creativecommons.org/licenses/by/4.0/"
    write_crate(directory, document(), url, "Ada Lovelace")
    found = entities(directory)
    assert found["./"]["license"] == {"@id": url}
    assert found[found["#run"]["agent"]["@id"]]["name"] == "Ada Lovelace"


def test_names_that_no_url_can_have_are_quoted(tmp_path: Path) -> None:
    results = document(tasks={"a b/c": task({"energy": 1.0})})
    found = entities(make_run(tmp_path / "r", results))
    assert "#task-a%20b/c" in found


def test_the_same_run_has_the_same_metadata(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "r")
    path = directory.path / "ro-crate-metadata.json"
    before = path.read_bytes()
    assert write_crate(directory, document()) == path
    assert path.read_bytes() == before
    assert json.loads(before)["@context"][0] == "https://w3id.org/ro/crate/1.1/context"


def test_a_run_without_its_code_is_refused(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "r")
    (directory.path / "code/apps/workflows.py").unlink()
    with pytest.raises(ConfigurationError, match="lacks the code"):
        write_crate(directory, document())
