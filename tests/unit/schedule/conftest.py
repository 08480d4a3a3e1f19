from __future__ import annotations

import pytest

from hybrid_parsl.schedule.definition import Schedule


@pytest.fixture
def make_schedule(tmp_path):
    def make(**values):
        known = {
            "name": "a",
            "cron": "0 2 * * *",
            "experiment": "/x/bell.toml",
            "folder": str(tmp_path),
            "runs_dir": str(tmp_path / "runs"),
            "state": str(tmp_path / "state"),
        }
        return Schedule.model_validate({**known, **values})

    return make
