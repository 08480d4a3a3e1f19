"""The contract test of sites, on the site that every machine has, and on faulty ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from parsl import Config
from parsl.executors.threads import ThreadPoolExecutor

from hybrid_parsl import labels
from hybrid_parsl.engine.sites import SiteRun, load_site
from hybrid_parsl.project import find_project
from hybrid_parsl.testing.site_contract import SiteContract

if TYPE_CHECKING:
    from pathlib import Path


class TestLocalSite(SiteContract):
    def config(self, directory: Path) -> Config:
        return load_site("local", find_project()).config(SiteRun(directory))


class Threads(SiteContract):
    def config(self, directory: Path) -> Config:
        executors = [ThreadPoolExecutor(label=label) for label in labels.ALL]
        return Config(executors=executors, run_dir=str(directory / "parsl"), strategy="none")


def test_a_site_without_ranks_does_not_pass(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        Threads().test_every_label_has_an_executor_and_the_search_one_with_ranks(tmp_path)
    with pytest.raises(pytest.fail.Exception):
        Threads().test_resources_are_checked_before_anything_starts(tmp_path)
