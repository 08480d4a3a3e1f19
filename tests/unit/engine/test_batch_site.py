"""The settings of sites with a batch scheduler, and what becomes of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from hybrid_parsl.engine.batch_site import BatchSettings
from hybrid_parsl.engine.blocks.pilot import PilotExecutor, PilotMPIExecutor
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.site_settings import read_settings
from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def read(*assignments: str) -> BatchSettings:
    return read_settings(BatchSettings, "cluster", assignments)


def test_a_walltime_without_a_unit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "hybrid-parsl").mkdir()
    (tmp_path / "hybrid-parsl" / "sites.toml").write_text("[cluster]\nwalltime = 90\n")
    with pytest.raises(ConfigurationError, match="write 90s for seconds, or 90min") as caught:
        read_settings(BatchSettings, "cluster")
    assert (caught.value.key, caught.value.found) == ("walltime", "90")


@pytest.mark.parametrize("key", ["walltime", "polling_interval", "idle_time"])
@pytest.mark.parametrize("value", ["0", "0s", "0:00:00"])
def test_times_that_are_none(key: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match="should be at least 1s") as caught:
        read(f"{key}={value}")
    assert caught.value.key == key


@pytest.mark.parametrize("value", [True, -5, 0.5])
def test_times_of_a_file_that_are_none(value: object) -> None:
    with pytest.raises(ConfigurationError, match="walltime"):
        read_settings(BatchSettings, "cluster", (), {"walltime": value})


def test_what_replaces_the_size_of_a_search() -> None:
    assert read().size() == {}
    found = read("nodes=3", "ranks_per_node=2", "walltime=90s").size()
    assert found == {"num_nodes": 3, "ranks_per_node": 2, "walltime_s": 90}


def test_modules_are_loaded_before_the_users_commands() -> None:
    options = read('modules=["a/1", "b"]', "worker_init=c").batch_options()
    lines = options.worker_init.splitlines()
    assert [line[:15] for line in lines[-3:]] == ["module load a/1", "module load b |", "c"]
    assert read("worker_init=c").batch_options().worker_init == "c"


def test_a_job_for_each_search(tmp_path: Path) -> None:
    config = read("nodes=2", "polling_interval=7s").parsl_config("slurm", tmp_path)
    search, *others = config.executors
    assert isinstance(search, PsiJExecutor)
    assert (search.overrides, search.batch.polling_interval_s) == ({"num_nodes": 2}, 7)
    assert not any(isinstance(each, PilotExecutor) for each in others)
    assert config.strategy == "none"


def test_blocks_for_all(tmp_path: Path) -> None:
    settings = read("mpi=pilot", "stages=blocks", "nodes=2", "walltime=2h", "idle_time=5s")
    config = settings.parsl_config("pbs", tmp_path)
    search, *others = config.executors
    assert isinstance(search, PilotMPIExecutor)
    assert [type(each) for each in others] == [PilotExecutor, PilotExecutor]
    assert [each.provider.nodes_per_block for each in config.executors] == [2, 1, 1]
    assert {each.provider.walltime_s for each in config.executors} == {7200}
    assert timedelta(seconds=config.max_idletime) == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("backend", "attributes", "key"),
    [
        ("slurm", '{ job-name = "mine" }', "attributes.job-name"),
        ("pbs", '{ N = "mine" }', "attributes.N"),
        ("slurm", '{ qos = "a\\nb" }', "attributes.qos"),
    ],
)
def test_options_that_break_a_run_are_refused_before_it(
    tmp_path: Path, backend: str, attributes: str, key: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(f"attributes={attributes}").parsl_config(backend, tmp_path)
    assert caught.value.key == key


def test_a_block_asks_for_what_the_ranks_of_its_searches_need(tmp_path: Path) -> None:
    settings = read("mpi=pilot", "nodes=2", "memory_gib_per_rank=0.25")
    mpi, *_ = settings.parsl_config("slurm", tmp_path).executors
    asked = {"num_nodes": 1, "ranks_per_node": 4, "cores_per_rank": 2, "gpus_per_rank": 1}
    lines = mpi.batch_script("search", asked).splitlines()
    for line in ("--cpus-per-task=8", "--mem=1048576K", "--gpus-per-node=4", "--exclusive"):
        assert f"#SBATCH {line}" in lines
    assert "--cpus-per-task=2 --gpus-per-task=1" in mpi.preview("search", asked).headline
    smaller = {"num_nodes": 2, "ranks_per_node": 1}
    assert mpi.batch_script("search", smaller).splitlines()[:8] == lines[:8]


@pytest.mark.parametrize("folder", ["with space", "it's", "$HOME"])
def test_blocks_need_a_folder_that_a_shell_reads_as_such(tmp_path: Path, folder: str) -> None:
    settings = read("mpi=pilot", "stages=blocks")
    for executor in settings.parsl_config("slurm", tmp_path / folder).executors:
        with pytest.raises(ConfigurationError, match="cannot work in a folder") as caught:
            executor.check({})
        assert (caught.value.source, caught.value.found) == ("--runs-dir", f"{tmp_path}/{folder}")


QPU = ("qpu=fez", "stages=jobs")


def test_a_job_for_each_stage(tmp_path: Path) -> None:
    settings = read("stages=jobs", "nodes=2", "walltime=90s", "gpus_per_rank=1")
    _, *others = settings.parsl_config("slurm", tmp_path).executors
    for executor in others:
        lines = executor.batch_script("task", {}).splitlines()
        assert "#SBATCH --nodes=1" in lines
        assert not any("gpus" in line or "qpu" in line for line in lines)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (QPU, '--qpu="fez"'),
        (("qpu=fez", "stages=blocks"), '--qpu="fez"'),
        ((*QPU, "qpu_option=licenses=NAME:1"), '--licenses="fez:1"'),
        (
            (*QPU, "qpu_option=gres=qpu:NAME:1", 'attributes={ gres = "disk:1" }'),
            '--gres="disk:1,qpu:fez:1"',
        ),
    ],
)
def test_only_the_jobs_of_circuits_ask_for_the_qpu(
    tmp_path: Path, settings: tuple[str, ...], line: str
) -> None:
    scripts = [
        executor.batch_script("task", {}).splitlines()
        for executor in read(*settings).parsl_config("slurm", tmp_path).executors
    ]
    assert [f"#SBATCH {line}" in each for each in scripts] == [False, True, False]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (("qpu=fez",), "qpu"),
        (("qpu=a b", "stages=jobs"), "qpu"),
        ((*QPU, "qpu_option=licenses=fez"), "qpu_option"),
        ((*QPU, "qpu_option=--gres=NAME"), "qpu_option"),
        ((*QPU, "qpu_option=time=NAME"), "attributes.time"),
    ],
)
def test_a_qpu_that_cannot_be_asked_for(
    tmp_path: Path, settings: tuple[str, ...], key: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(*settings).parsl_config("slurm", tmp_path)
    assert caught.value.key == key


def test_pbs_needs_an_option_for_a_qpu(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not known") as caught:
        read(*QPU).parsl_config("pbs", tmp_path)
    assert (caught.value.key, caught.value.valid) == ("qpu", "qpu_option")
    _, circuit, _ = read(*QPU, "qpu_option=l=NAME=1").parsl_config("pbs", tmp_path).executors
    assert '#PBS -l "fez=1"' in circuit.batch_script("task", {}).splitlines()
