from __future__ import annotations

from typing import Any

import pytest

from hybrid_parsl.engine.jobs.scheduler_directives import BatchOptions
from hybrid_parsl.errors import ConfigurationError


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("slurm", {"slurm.job-name": "a-name", "slurm.qos": "x"}),
        ("pbs_classic", {"pbs.N": "a-name", "pbs.qos": "x"}),
        ("local", {}),
    ],
)
def test_name_and_options_in_the_words_of_the_scheduler(
    backend: str, expected: dict[str, Any]
) -> None:
    options = BatchOptions("debug", "phys", {"qos": "x"})
    attributes = options.to_psij(backend, "a-name", 90)
    assert attributes.custom_attributes == expected
    assert (attributes.queue_name, attributes.account) == ("debug", "phys")
    assert attributes.duration.total_seconds() == 90


@pytest.mark.parametrize(
    ("backend", "given", "asked"),
    [
        ("slurm", {}, {"slurm.no-requeue": ""}),
        ("slurm", {"requeue": ""}, {"slurm.requeue": ""}),
        ("pbs", {}, {"pbs.r": "n"}),
        ("pbs", {"r": "y"}, {"pbs.r": "y"}),
        ("lsf", {}, {"lsf.rn": ""}),
    ],
)
def test_a_job_that_is_not_to_be_started_again(
    backend: str, given: dict[str, str], asked: dict[str, str]
) -> None:
    attributes = BatchOptions(attributes=given).to_psij(backend, "x", 60, once=True)
    assert {**asked, **attributes.custom_attributes} == attributes.custom_attributes
    assert len(attributes.custom_attributes) == 2


@pytest.mark.parametrize(
    ("backend", "key", "reason"),
    [
        ("slurm", "job-name", "job names"),
        ("slurm", "J", "job names"),
        ("slurm", "job", "job names"),  # sbatch completes long options
        ("slurm", "output", "folder of its task"),
        ("slurm", "err", "folder of its task"),
        ("slurm", "chdir", "folder of its task"),
        ("slurm", "array", "one job"),
        ("slurm", "wait", "one job"),
        ("slurm", "clusters", "one job"),
        ("slurm", "export", "worker_init"),
        ("slurm", "nodes", "set nodes"),
        ("slurm", "time", "set walltime"),
        ("slurm", "t", "set walltime"),
        ("pbs", "N", "job names"),
        ("pbs_classic", "N", "job names"),
        ("pbs", "J", "one job"),
        ("pbs", "e", "folder of its task"),
        ("pbs", "q", "set partition"),
        ("lsf", "J", "job names"),
        ("lsf", "K", "one job"),
        ("cobalt", "jobname", "job names"),
    ],
)
def test_options_that_a_run_sets_itself_are_refused(backend: str, key: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match="is reserved") as caught:
        BatchOptions(attributes={key: "mine"}).to_psij(backend, "name", 60)
    assert caught.value.key == f"attributes.{key}"
    assert reason in caught.value.message


@pytest.mark.parametrize("value", ["walltime=1:00:00", "select=2:ncpus=1", "mem=1gb,nodes=2"])
def test_a_size_in_an_option_of_pbs_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="set nodes, ranks_per_node and walltime"):
        BatchOptions(attributes={"l": value}).check("pbs")
    BatchOptions(attributes={"l": "mem=1gb"}).check("pbs")


@pytest.mark.parametrize(
    "key",
    ["qos", "mem", "mem-per-cpu", "cpus-per-task", "exclusive", "begin", "nice", "wait-all-nodes",
     "no-requeue", "requeue", "constraint", "comment", "gres"],
)  # fmt: skip
def test_all_other_options_of_slurm_are_the_users(key: str) -> None:
    BatchOptions(attributes={key: "x"}).check("slurm")


@pytest.mark.parametrize("key", ["--qos", "qos=x", "two words", "", "a\nb", "1"])
def test_what_is_not_the_name_of_an_option(key: str) -> None:
    with pytest.raises(ConfigurationError, match="not the name of an option") as caught:
        BatchOptions(attributes={key: "x"}).check("slurm")
    assert caught.value.found == repr(key)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (BatchOptions("a\nb"), "partition"),
        (BatchOptions(account="phys\n#SBATCH --wrap=x"), "account"),
        (BatchOptions(account="a\x1b[2J"), "account"),
        (BatchOptions(attributes={"qos": "a\tb"}), "attributes.qos"),
    ],
)
@pytest.mark.parametrize("backend", ["slurm", "pbs", "pbs_classic", "lsf", "cobalt"])
def test_control_characters_are_refused(backend: str, options: BatchOptions, key: str) -> None:
    with pytest.raises(ConfigurationError, match="has control characters") as caught:
        options.check(backend)
    assert caught.value.key == key


@pytest.mark.parametrize("value", ['say "x"', "back\\slash"])
def test_quotes_are_refused_where_it_is_not_known_how_they_are_read(value: str) -> None:
    BatchOptions(account=value).check("slurm")
    with pytest.raises(ConfigurationError, match="cannot quote") as caught:
        BatchOptions(account=value).check("pbs")
    assert (caught.value.key, caught.value.found) == ("account", repr(value))
