from __future__ import annotations

from types import ModuleType

import pytest
from prefect_server import PACKAGE
from services import require_module

from hybrid_parsl.engine.tasks.calls import App

workflow = require_module("hybrid_parsl.prefect.workflow", "prefect", PACKAGE)


def find(experiment): ...


def sample(experiment, found): ...


APPS = {"find": App(find, "mpi"), "measure": App(sample, "quantum")}


def names_of(pipeline):
    module = ModuleType("workflows")
    module.pipeline = lambda experiment: pipeline(module, experiment)
    return workflow._call_names(module, APPS, "an experiment")


def test_calls_have_the_names_of_their_stages_in_any_order():
    def pipeline(apps, experiment):
        found = apps.find(experiment)
        return {"quantum": apps.measure(experiment, found), "search": found}

    assert names_of(pipeline) == ["search", "quantum"]


def test_a_call_that_is_no_stage_has_the_name_of_its_function():
    def pipeline(apps, experiment):
        return {"quantum": apps.measure(experiment, apps.find(experiment))}

    assert names_of(pipeline) == ["find", "quantum"]


@pytest.mark.parametrize("n_calls", [1, 2])
def test_a_workflow_that_waits_for_a_result_is_not_hindered(n_calls):
    def pipeline(apps, experiment):
        found = [apps.find(experiment) for _ in range(n_calls)]
        return {"search": found[0].result()}

    assert names_of(pipeline) == ["find"] * n_calls
