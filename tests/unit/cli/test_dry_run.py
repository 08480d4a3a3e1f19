from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import tomli_w
import yaml

from hybrid_parsl.experiment import Experiment

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_runs_and_nothing_is_written(command: Any) -> None:
    text = command("run", "bell", "--dry-run")
    assert "dataflow: search -> quantum -> analysis" in text
    assert "search: PsiJExecutor" in text
    assert "quantum: WarmProcessExecutor" in text
    assert "analysis: WarmProcessExecutor" in text
    assert "launcher single: 2 ranks of" in text
    assert "-m hybrid_parsl.mpi" in text
    assert list(command.folder.iterdir()) == []


def test_the_experiment_is_shown_as_it_would_run(command: Any) -> None:
    changes = ["--set", "search.starts=7", "--set", "resources.num_ranks=5"]
    ranks = ["--set", "resources.ranks_per_node=5"]
    document = json.loads(command("run", "bell", "-n", "--json", *changes, *ranks))
    asked = Experiment.model_validate(document["experiment"])
    assert (asked.search.starts, asked.resources.num_ranks) == (7, 5)
    assert [stage["stage"] for stage in document["stages"]] == ["search", "quantum", "analysis"]
    assert [stage["after"] for stage in document["stages"]] == [
        [],
        ["search"],
        ["search", "quantum"],
    ]
    assert document["stages"][0]["resources"]["num_ranks"] == 5
    assert "5 ranks of" in document["stages"][0]["launch"]
    assert document["site"] == "local"
    text = command("run", "bell", "-n", *changes, *ranks)
    indented = [
        f"  {line}" if line else ""
        for line in tomli_w.dumps(document["experiment"]).rstrip().splitlines()
    ]
    assert text.rstrip().endswith("\n".join(["experiment:", *indented]))


def test_a_site_that_lacks_an_executor_is_refused(command: Any, tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text(
        "import parsl\n"
        "from parsl.executors.threads import ThreadPoolExecutor\n"
        "def config(run):\n"
        "    return parsl.Config(executors=[ThreadPoolExecutor(label='mpi')])\n"
    )
    command("run", "bell", "-n", "--site", "./site.py", code=2)
    assert "no executor with the label 'quantum' or 'analysis'" in command.err
    assert str(tmp_path / "site.py") in command.err


def test_a_site_whose_function_raises_is_refused(command: Any, tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text("def config(run):\n    return run.folder\n")
    command("run", "bell", "-n", "--site", "./site.py", code=2)
    assert f"{tmp_path / 'site.py'}, line 2: AttributeError" in command.err


def test_a_site_that_returns_no_configuration_is_refused(command: Any, tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text("def config(run):\n    return None\n")
    command("run", "bell", "-n", "--site", "./site.py", code=2)
    assert "config(run) has to return a parsl.Config" in command.err


def test_blocks_are_shown_with_both_of_their_scripts(command: Any) -> None:
    settings = ["mpi=pilot", "stages=blocks", "nodes=2", "partition=debug", "address=10.1.2.3"]
    assignments = [word for each in settings for word in ("--site-set", each)]
    document = json.loads(command("run", "bell", "-n", "--site", "slurm", "--json", *assignments))
    search, quantum, _ = document["stages"]
    folder = f"{command.folder}/runs/RUN"
    assert search["launch"].startswith(
        "srun --ntasks 2 --ntasks-per-node 2 --nodelist NODE1 --nodes 1"
    )
    assert f"-m hybrid_parsl.mpi {folder}/tasks/search\n" in search["launch"]
    assert "in at most 1 block of 2 nodes, 1:00:00 each, from PSI/J" in search["launch"]
    batch = search["documents"]["search.sh"]
    assert batch.startswith("#!/bin/bash\n#SBATCH")
    for line in ("#SBATCH --nodes=2", '#SBATCH --partition="debug"', "#SBATCH --exclusive"):
        assert line in batch
    assert "#SBATCH --nodes=1" in quantum["documents"]["quantum.sh"]
    for stage in (search, quantum):
        block = stage["documents"][f"{stage['stage']}.block.sh"]
        assert "process_worker_pool.py" in block
        assert "-a 10.1.2.3 " in block
        assert "--port=PORT" in block
        for text in stage["documents"].values():
            assert f"{folder}/parsl/000/" in text
    assert list(command.folder.iterdir()) == []


def test_each_script_is_shown_once_as_it_is(command: Any) -> None:
    settings = ["mpi=pilot", "stages=blocks", "modules=['gcc/14']", "worker_init=export X=$HOME"]
    assignments = [word for each in settings for word in ("--site-set", each)]
    text = command("run", "bell", "-n", "--site", "slurm", *assignments)
    heads = re.findall(r"^# ----- (.*) -----$", text, re.MULTILINE)
    assert heads == [
        *("search.sh", "search.block.sh", "quantum.sh: as search.sh, with the names of quantum"),
        "quantum.block.sh",
        "analysis.sh: as search.sh, with the names of analysis",
        "analysis.block.sh: as quantum.block.sh, with the names of analysis",
    ]
    assert len(re.findall(r"^#!/bin/bash$", text, re.MULTILINE)) == 3
    assert len(re.findall(r"^export X=\$HOME$", text, re.MULTILINE)) == 2
    assert "module load gcc/14" in text


def test_the_commands_of_the_site_are_shown_for_a_job_of_its_own(command: Any) -> None:
    settings = ("--site-set", "modules=['gcc/14']", "--site-set", "worker_init=export X=1")
    stages = json.loads(command("run", "bell", "-n", "--site", "slurm", "--json", *settings))
    documents = stages["stages"][0]["documents"]
    assert sorted(documents) == ["search.sh", "search.worker_init.sh"]
    assert "module load gcc/14" in documents["search.worker_init.sh"]
    assert documents["search.worker_init.sh"].endswith("export X=1")


def test_documents_are_written_to_a_folder(command: Any, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "scripts"
    command("run", "bell", "-n", "--site", "k8s", "--site-set", "image=i", "--scripts", str(folder))
    files = {path.name: list(yaml.safe_load_all(path.read_text())) for path in folder.iterdir()}
    assert {name: [each["kind"] for each in found] for name, found in files.items()} == {
        "search.yaml": ["MPIJob", "Secret"],
        "quantum.yaml": ["Job", "Secret"],
        "analysis.yaml": ["Job", "Secret"],
    }
    command("run", "bell", "--scripts", str(folder), code=2)
    assert "needs --dry-run" in command.err
    (tmp_path / "file").touch()
    command("run", "bell", "-n", "--scripts", str(tmp_path / "file"), code=4)
    assert "cannot write" in command.err


def test_a_check_where_no_scheduler_can_be_asked(command: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("HYBRID_PARSL_PBS_DIALECT", raising=False)  # of tests on PBS
    verdicts = json.loads(command("run", "bell", "--check", "--json"))["stages"]
    assert {stage["verdict"] for stage in verdicts} == {"no scheduler is involved"}
    text = command("run", "bell", "-n", "--check", "--site", "pbs")
    first, *rest = text.rstrip().split("verdicts:\n")
    assert first.startswith("site pbs ")
    assert "#PBS" in first
    assert rest[0].splitlines() == [
        "  search    pbs cannot be asked without submitting",
        "  quantum   no scheduler is involved",
        "  analysis  no scheduler is involved",
    ]


def test_a_check_alone_tells_nothing_but_the_verdicts(command: Any) -> None:
    lines = command("run", "bell", "--check").splitlines()
    assert lines[0].startswith("site local (")
    assert [line.split(maxsplit=1) for line in lines[3:]] == [
        [stage, "no scheduler is involved"] for stage in ("search", "quantum", "analysis")
    ]
    assert lines[1:3] == ["", "verdicts:"]
    assert list(command.folder.iterdir()) == []


def test_a_check_of_a_scheduler_that_is_not_there(command: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    command("run", "bell", "-n", "--check", "--site", "slurm", code=3)
    assert "sbatch" in command.err


def test_what_was_read_is_shown(command: Any, tmp_path: Path) -> None:
    (tmp_path / "cut.mc").write_text("3 2\n1 2 2\n2 3 -1\n")
    (tmp_path / "x.toml").write_text("name = 'x'\n[problem]\nkind = 'maxcut'\nedges = 'cut.mc'\n")
    read = "read cut.mc: graph, format rudy, 3 nodes, 2 edges, counted from 1, which is qubit 0"
    assert read in command("run", "x.toml", "--dry-run").splitlines()
    document = json.loads(command("run", "x.toml", "--dry-run", "--json"))
    assert document["experiment"]["problem"]["read_from"]["first_node"] == 1
