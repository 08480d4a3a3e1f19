from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from parsl import Config
from parsl.executors.threads import ThreadPoolExecutor

from hybrid_parsl import labels
from hybrid_parsl.engine.batch_site import BatchSettings
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.site_check import (
    check_qpu_request,
    check_site,
    ranks_on_this_host,
    settled_resources,
)
from hybrid_parsl.engine.site_settings import SiteSettings
from hybrid_parsl.engine.sites import Site
from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

ASKED = {"num_nodes": 1, "ranks_per_node": 2, "num_ranks": 2, "walltime_s": 60}


def site_of(mpi: Any) -> Site:
    others = [ThreadPoolExecutor(label=label) for label in (labels.QUANTUM, labels.ANALYSIS)]
    return Site("here", "here.py", "", lambda _: Config(executors=[mpi, *others]))


def test_threads_may_do_what_needs_no_ranks(tmp_path: Path) -> None:
    config = check_site(site_of(PsiJExecutor(labels.MPI, tmp_path)), ASKED, tmp_path)
    assert ranks_on_this_host(config, ASKED) == 2


def test_an_executor_of_parsls_own_knows_no_ranks(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot run a search on ranks") as caught:
        check_site(site_of(ThreadPoolExecutor(label=labels.MPI)), ASKED, tmp_path)
    assert (caught.value.source, caught.value.found) == ("here.py", "ThreadPoolExecutor")
    assert "PsiJExecutor" in str(caught.value.valid)


def test_what_a_site_says_of_its_size_counts(tmp_path: Path) -> None:
    executor = PsiJExecutor(labels.MPI, tmp_path, overrides={"num_nodes": 3, "ranks_per_node": 4})
    found = settled_resources(executor, ASKED)
    assert found == {"num_nodes": 3, "ranks_per_node": 4, "num_ranks": 12, "walltime_s": 60}


@pytest.mark.parametrize(
    ("model", "settings", "found", "valid"),
    [
        (None, (), "no qpu", 'a site with qpu = "fez"'),
        (SiteSettings, (), "no qpu", 'a site with qpu = "fez"'),
        (BatchSettings, (), "no qpu", 'qpu = "fez" with stages = "jobs" or "blocks"'),
        (BatchSettings, ("qpu=kyiv",), "qpu = 'kyiv'", 'qpu = "fez" with stages'),
        (BatchSettings, ("qpu=fez",), None, None),
        (BatchSettings, ('attributes={qpu="fez"}',), None, None),
    ],
)
def test_a_qpu_has_to_be_requested(
    model: type[SiteSettings] | None,
    settings: tuple[str, ...],
    found: str | None,
    valid: str | None,
) -> None:
    site = Site("here", "here.py", "", lambda *_: Config(), model, settings)
    if found is None:
        check_qpu_request(site, "fez")
        return
    with pytest.raises(ConfigurationError, match="on the site here do not request") as caught:
        check_qpu_request(site, "fez")
    assert caught.value.found == found
    assert str(caught.value.valid).startswith(str(valid))
