"""Environment modules in the jobs of a driver whose shell has no ``module``, as under cron."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import rank_functions as functions
from services import require
from waiting import PATIENCE_S

from hybrid_parsl.engine.batch_site import BatchSettings
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.errors import JobFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE = {"num_ranks": 1, "walltime_s": 60}
INIT = Path("/usr/share/modules/init/bash")

pytestmark = pytest.mark.usefixtures("slurm")


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    require("slurm", "environment-modules", available=INIT.exists())
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "blue").write_text("#%Module1.0\nsetenv COLOUR {deep blue}\n")
    monkeypatch.setenv("MODULEPATH", str(tmp_path / "modules"))
    for name in ("BASH_FUNC_module%%", "MODULESHOME", "BASH_ENV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def colour(folder: Path, module: str) -> str | None:
    settings = BatchSettings(modules=[module])
    batch, tasks = settings.batch_options(), folder / "tasks"
    executor = PsiJExecutor(
        "mpi", tasks, "slurm", launcher="srun", environment={"SLURM_MPI_TYPE": "pmi2"}, batch=batch
    )
    executor.start()
    try:
        found: str | None = executor.submit(functions.environment, ONE, "COLOUR").result(PATIENCE_S)
    finally:
        executor.shutdown()
    return found


def test_a_module_is_loaded_in_a_job(modules: Path) -> None:
    assert colour(modules, "blue") == "deep blue"


def test_a_module_that_is_not_there_fails_the_job(modules: Path) -> None:
    with pytest.raises(JobFailedError, match="Unable to locate a modulefile for 'red'"):
        colour(modules, "red")
