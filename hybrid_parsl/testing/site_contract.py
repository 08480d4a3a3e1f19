"""Tests that every site has to pass, to be run by whoever writes one.

Subclass `SiteContract` in a test module of your own and return your configuration::

    class TestMySite(SiteContract):
        def config(self, directory):
            return my_site.config(SiteRun(directory))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import pytest

from hybrid_parsl import identity, labels
from hybrid_parsl.engine.plain_executor import as_site_executor
from hybrid_parsl.engine.session import Session, check_config
from hybrid_parsl.engine.site_check import executor_of, settled_resources
from hybrid_parsl.engine.site_executor import Preview
from hybrid_parsl.errors import ConfigurationError, ResultError
from hybrid_parsl.testing import site_functions

if TYPE_CHECKING:
    from pathlib import Path

    import parsl


class SiteContract(ABC):
    """Tests of a site's executors, each on a new configuration.

    Attributes
    ----------
    resources
        What the search of the tests asks for.
    timeout_s
        Longest time in seconds that a task may take, with its time in a queue.
    """

    resources: ClassVar[dict[str, int]] = {
        "num_nodes": 1,
        "ranks_per_node": 2,
        "num_ranks": 2,
        "walltime_s": 120,
    }
    timeout_s: ClassVar[float] = 240.0

    @abstractmethod
    def config(self, directory: Path) -> parsl.Config:
        """Return the configuration of the site for a run in `directory`, which need not exist."""

    def test_every_label_has_an_executor_and_the_search_one_with_ranks(
        self, tmp_path: Path
    ) -> None:
        config = self.config(tmp_path / "run")
        check_config(config, "site")
        assert executor_of(config, labels.MPI).runs_mpi

    def test_resources_are_checked_before_anything_starts(self, tmp_path: Path) -> None:
        config = self.config(tmp_path / "run")
        for label in labels.ALL:
            executor_of(config, label).check(self.resources if label == labels.MPI else {})
        with pytest.raises(ConfigurationError):
            executor_of(config, labels.MPI).check({**self.resources, "num_nodes": 0})

    def test_a_preview_starts_and_writes_nothing(self, tmp_path: Path) -> None:
        config = self.config(tmp_path / "run")
        for label in labels.ALL:
            asked = self.resources if label == labels.MPI else {}
            preview = executor_of(config, label).preview("double", asked)
            assert isinstance(preview, Preview)
            assert all(preview.documents.values())
        assert not list(tmp_path.rglob("*"))

    def test_tasks_return_results_and_errors(self, tmp_path: Path) -> None:
        reason = "as the test asked"
        with Session(self.config(tmp_path / "run"), "site") as session:
            results = [
                session.submit(
                    label,
                    site_functions.double,
                    [number],
                    {},
                    self.resources if label == labels.MPI else {},
                )
                for number, label in enumerate(labels.ALL)
            ]
            failed = session.submit(labels.ANALYSIS, site_functions.fail, [reason], {}, {})
            assert [each.result(self.timeout_s) for each in results] == [0, 2, 4]
            with pytest.raises(ResultError) as caught:
                failed.result(self.timeout_s)
            assert caught.value.reason == reason
            session.check_identity()

    def test_a_search_has_as_many_ranks_as_it_asks_for(self, tmp_path: Path) -> None:
        config = self.config(tmp_path / "run")
        settled = settled_resources(executor_of(config, labels.MPI), self.resources)
        with Session(config, "site") as session:
            count = session.submit(labels.MPI, site_functions.rank_count, [], {}, self.resources)
            assert count.result(self.timeout_s) == settled["num_ranks"]

    def test_calls_outside_the_workflow_run_where_tasks_run(self, tmp_path: Path) -> None:
        config = self.config(tmp_path / "run")
        with Session(config, "site"):
            called = [
                executor.call(identity.current)
                for executor in map(as_site_executor, config.executors)
                if not executor.checks_identity
            ]
            assert {each.result(self.timeout_s) for each in called} <= {identity.current()}
