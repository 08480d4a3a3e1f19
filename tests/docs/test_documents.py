"""The blocks of the README and of docs/ do what they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from services import require_if_asked

from hybrid_parsl.experiment_file import parse_experiment

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


SMALLER = {"nodes = 16": "nodes = 6", "layers = 4": "layers = 1", "landscape = 48": "landscape = 4"}


def blocks(page):
    return [match.groups() for match in BLOCK.finditer((ROOT / page).read_text())]


def run(command, folder):
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    del variables["HYBRID_PARSL_CACHE"]  # as it is for users
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def project(tmp_path):
    """Return a copy of the project with a smaller default experiment."""
    for name in ("apps", "site_configs", "experiments"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "run.py", tmp_path)
    default = tmp_path / "experiments" / "maxcut.toml"
    text = default.read_text()
    for line, smaller in SMALLER.items():
        assert line in text
        text = text.replace(line, smaller)
    default.write_text(text)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_work_in_their_order(page, project, request):
    if page == "docs/prefect.md":
        request.getfixturevalue("prefect_server")
    else:
        require_if_asked("documents", "", lambda: True)
    for language, title, text in blocks(page):
        if title:
            (project / title).write_text(text)
        if language == "toml":
            name = tomllib.loads(text)["name"]
            parse_experiment(tomllib.loads(text))
            (project / f"{name}.toml").write_text(text)
        elif language == "python" and not title:
            run([sys.executable, "-c", text], project)
        elif language == "sh":
            for line in text.splitlines():
                if line.startswith("make "):
                    target = line.split()[1]
                    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
                elif line:
                    run(["bash", "-c", line], project)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (ROOT / page).parent.joinpath(target).exists(), target
