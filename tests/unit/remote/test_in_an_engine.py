"""Our function in an engine of Globus Compute, with the messages that an endpoint gets."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import jinja2
import pytest
from globus_services import PACKAGES
from services import require
from waiting import PATIENCE_S

from hybrid_parsl.remote import endpoint_files
from hybrid_parsl.remote.request import (
    FUNCTION_NAME,
    Manifest,
    RunRequest,
    check_request,
    function_source,
)

BELL = 'name = "bell"\n[problem]\nkind = "bell"\n[search]\nmethod = "draw"\nstarts = 1\n'


@pytest.fixture
def engine(tmp_path, monkeypatch):
    require("globus", PACKAGES, available=find_spec("globus_compute_endpoint") is not None)
    import yaml
    from globus_compute_endpoint.engines import ThreadPoolEngine

    monkeypatch.chdir(tmp_path)  # a task changes the folder of its process
    monkeypatch.setenv("GC_TASK_UUID", "")
    template = Path(endpoint_files.__file__).parent / "endpoint" / "user_config_template.yaml.j2"
    configuration = yaml.safe_load(jinja2.Template(template.read_text()).render())
    allowed = configuration["engine"]["allowed_serializers"]
    engine = ThreadPoolEngine(max_workers=1, allowed_serializers=allowed)
    engine.start(endpoint_id=uuid4(), run_dir=str(tmp_path))
    yield engine
    engine.shutdown(block=True)


def call(engine, strategy, *arguments):
    from globus_compute_common import messagepack
    from globus_compute_common.messagepack.message_types import Task
    from globus_compute_endpoint.engines.base import GCFuture
    from globus_compute_sdk.serialize import ComputeSerializer

    serializer = ComputeSerializer(strategy_data=strategy)
    parts = [f"st\n{FUNCTION_NAME}:{function_source()}"]
    parts += [serializer.serialize(arguments), serializer.serialize({})]
    task = uuid4()
    packed = messagepack.pack(Task(task_id=task, task_buffer=serializer.pack_buffers(parts)))
    future = GCFuture(task)
    engine.submit(future, packed, {}, ["globus_compute_sdk.serialize.JSONData"])
    result = messagepack.unpack(future.result(PATIENCE_S))
    return result, None if result.is_error else serializer.deserialize(result.data)


def test_a_run_in_an_engine(engine, tmp_path):
    from globus_compute_sdk.serialize import JSONData

    request = RunRequest("a-run", BELL, folder=str(tmp_path / "runs"))
    result, answer = call(engine, JSONData(), request.to_text("run"))
    assert not result.is_error
    manifest = Manifest.from_text(answer)
    assert manifest.error("a-task") is None
    assert json.loads(manifest.files["results.json"])["run"]["status"] == "completed"


def test_another_action_is_an_error_of_the_task(engine):
    from globus_compute_sdk.serialize import JSONData

    result, _ = call(engine, JSONData(), check_request().replace('"check"', '"other"'))
    assert result.is_error
    assert "KeyError" in result.data


def test_a_pickle_is_not_opened(engine):
    from globus_compute_sdk.serialize import DillDataBase64

    result, _ = call(engine, DillDataBase64(), check_request())
    assert result.is_error
    assert "Deserialization failed" in result.data
