from __future__ import annotations

import pickle
import subprocess
import sys
import types

import pytest
from prefect_server import PACKAGE
from services import require_module

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.stages.search import search

placement = require_module("hybrid_parsl.prefect.placement", "prefect", PACKAGE)
task_runner = require_module("hybrid_parsl.prefect.task_runner", "prefect", PACKAGE)
prefect = require_module("prefect", "prefect", PACKAGE)


def twice(x: int) -> int:
    return 2 * x


def place(*tags, function=twice):
    task = prefect.task(function, tags=list(tags))
    return placement.Placement.of(task, "analysis")


def test_tags_tell_label_and_resources_and_others_are_left_alone() -> None:
    found = place("mpi", "num_ranks=4", "walltime_s=600", "nightly", "owner=me")
    assert found.label == "mpi"
    assert found.resources == {"num_ranks": 4, "walltime_s": 600}


def test_a_task_without_a_label_has_the_default() -> None:
    assert place("nightly") == placement.Placement("analysis", {})


def test_tags_of_with_options_count() -> None:
    task = prefect.task(twice, tags=["mpi"]).with_options(tags=["quantum"])
    assert placement.Placement.of(task, "analysis").label == "quantum"


@pytest.mark.parametrize(
    ("tags", "key", "found"),
    [
        (("mpi", "quantum"), "tags", "mpi, quantum"),
        (("mpi", "num_ranks=many"), "tags: num_ranks", "'many'"),
        (("mpi", "num_ranks=0"), "tags: num_ranks", "0"),
        (("mpi", "num_nodes=2", "num_ranks=1"), "tags: num_ranks", "1"),
    ],
)
def test_tags_that_contradict_are_refused(tags, key, found) -> None:
    with pytest.raises(ConfigurationError) as error:
        place(*tags)
    assert (error.value.source, error.value.key) == ("task twice", key)
    assert error.value.found == found


async def later() -> None:
    return None


def several():
    yield 1


@pytest.mark.parametrize(
    ("function", "found"), [(later, "a coroutine function"), (several, "a generator")]
)
def test_what_is_no_plain_function_is_refused(function, found) -> None:
    with pytest.raises(
        ConfigurationError, match="only a plain function can run on a site"
    ) as error:
        place("mpi", function=function)
    assert error.value.found == found


def test_an_importable_function_is_sent_by_its_name() -> None:
    assert placement.portable(search) is search


SCRIPT = """
STEP = 3
def shifted(x):
    return x + STEP
def task(x):
    return shifted(2 * x)
task.marked = task
"""


def test_a_function_that_became_a_task_travels_with_what_it_uses_of_its_module() -> None:
    module = types.ModuleType("made_up_flows")
    exec(SCRIPT, module.__dict__)
    function = module.task
    module.task = prefect.task(function)  # as the decorator does
    sys.modules["made_up_flows"] = module
    try:
        sent = placement.portable(function)
        assert sent(1) == 5
        assert sent.__name__ == "task"
        payload = pickle.dumps(sent)
    finally:
        del sys.modules["made_up_flows"]
    code = (
        f"import pickle, sys; f = pickle.loads({payload!r}); print(f(2), 'prefect' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["7", "False"]


def test_a_name_that_is_no_name_of_a_folder_is_not_used() -> None:
    assert placement.Sent(lambda: 1).__name__ == "task"


def test_a_runner_keeps_its_settings_and_refuses_a_label_that_no_site_has() -> None:
    runner = task_runner.SiteTaskRunner(
        "slurm", ["nodes=2"], "quantum", runs_dir="r", max_workers=3
    )
    again = runner.duplicate()
    assert again is not runner
    assert vars(again).keys() == vars(runner).keys()
    for name in ("site", "settings", "label", "project", "runs_dir", "_max_workers"):
        assert getattr(again, name) == getattr(runner, name)
    assert pickle.loads(pickle.dumps(runner)).site == "slurm"
    with pytest.raises(ConfigurationError, match="no such label"):
        task_runner.SiteTaskRunner(label="gpu")
