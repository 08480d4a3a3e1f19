"""The notebooks in docs/ run from top to bottom."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from services import require_if_asked

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs").glob("*.ipynb"))


def executed(notebook: Path, folder: Path) -> list[dict]:
    """Return the outputs of a notebook that is executed in a folder."""
    shutil.copy(notebook, folder)
    jupyter = [str(Path(sys.executable).with_name("jupyter")), "execute", "--inplace"]
    variables = {**os.environ, "HYBRID_PARSL_PROJECT": str(ROOT)}
    del variables["HYBRID_PARSL_CACHE"]  # as it is for users
    done = subprocess.run(
        [*jupyter, notebook.name], cwd=folder, env=variables, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    cells = json.loads((folder / notebook.name).read_text())["cells"]
    return [output for cell in cells for output in cell.get("outputs", [])]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(notebook, tmp_path):
    require_if_asked("documents", "", lambda: True)
    outputs = executed(notebook, tmp_path)
    assert not [each for each in outputs if each.get("name") == "stderr"]
    shown = [each["data"] for each in outputs if "data" in each]
    progress, summary, figure, study, *_ = shown
    assert "8/8 starts" in "".join(progress["text/plain"])
    assert "best energy" in "".join(summary["text/html"])
    assert "<svg" in "".join(figure["image/svg+xml"])
    assert "0.search    0.0 s  reused from run" in "".join(study["text/plain"])
    assert any("dataframe" in "".join(each.get("text/html", "")) for each in shown)
    assert any("image/png" in each for each in shown)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_holds_no_outputs(notebook):
    cells = json.loads(notebook.read_text())["cells"]
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in cells)
