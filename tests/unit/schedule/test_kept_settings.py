from __future__ import annotations

import pytest

from hybrid_parsl.engine.sites import load_site
from hybrid_parsl.project import Project
from hybrid_parsl.schedule.kept_settings import changed_settings, kept_settings, scheduled_site

SITE = '''"""A site."""
from hybrid_parsl.engine.site_settings import ShellText, SiteSettings


class Settings(SiteSettings):
    account: str = "nobody"
    queue: str = "short"
    worker_init: ShellText = ""


def config(run, settings): ...
'''


@pytest.fixture
def project(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for folder in ("apps", "site_configs", "config/hybrid-parsl"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "site_configs/ours.py").write_text(SITE)
    return Project(tmp_path)


@pytest.fixture
def configure(tmp_path):
    def write(text):
        (tmp_path / "config/hybrid-parsl/sites.toml").write_text(f"[ours]\n{text}\n")

    return write


@pytest.fixture
def schedule(make_schedule, project):
    def make(*assignments, variables=()):
        settings = kept_settings(load_site("ours", project, assignments), variables)
        values = {"site": "ours", "site_settings": assignments, "settings": settings}
        return make_schedule(project=str(project.folder), **values)

    return make


def test_a_schedule_keeps_what_was_in_force_and_says_what_has_changed(
    schedule, project, configure, monkeypatch
):
    configure('account = "physics"')
    monkeypatch.setenv("HYBRID_PARSL_OURS_QUEUE", "long")
    kept = schedule("worker_init=module load $MPI")
    assert kept.settings == {
        "account": "physics",
        "queue": "long",
        "worker_init": "module load $MPI",
    }
    assert changed_settings(kept) == []
    configure('account = "chemistry"')
    monkeypatch.delenv("HYBRID_PARSL_OURS_QUEUE")
    found = scheduled_site(kept, project).settings()
    assert (found.account, found.queue) == ("physics", "long")
    account, queue = changed_settings(kept)
    assert account == "account is 'chemistry' now; the schedule keeps 'physics'"
    assert queue == "queue is unset now; the schedule keeps 'long'"


def test_a_variable_is_replaced_when_the_schedule_is_added(
    schedule, project, configure, monkeypatch
):
    configure('account = "$PROJECT_ACCOUNT"')
    monkeypatch.setenv("PROJECT_ACCOUNT", "physics")
    kept = schedule()
    monkeypatch.delenv("PROJECT_ACCOUNT")
    assert scheduled_site(kept, project).settings().account == "physics"
    (change,) = changed_settings(kept)
    assert "PROJECT_ACCOUNT is not set" in change


def test_a_variable_of_the_environment_file_is_read_at_each_run(schedule, project, monkeypatch):
    monkeypatch.setenv("TOKEN", "old")
    kept = schedule("account=$TOKEN", "queue=long", variables={"TOKEN"})
    assert kept.settings == {"queue": "long"}
    monkeypatch.setenv("TOKEN", "new")
    assert scheduled_site(kept, project).settings().account == "new"
    assert changed_settings(kept) == []


def test_a_schedule_of_an_earlier_version_reads_the_settings_of_the_day(
    make_schedule, project, configure
):
    old = make_schedule(site="ours", site_settings=["queue=long"], project=str(project.folder))
    configure('account = "physics"')
    found = scheduled_site(old, project).settings()
    assert (found.account, found.queue) == ("physics", "long")
    assert changed_settings(old) == []


def test_a_setting_that_has_become_invalid_is_named(schedule, project, configure):
    kept = schedule("queue=long")
    configure("walltime = 5")
    (change,) = changed_settings(kept)
    assert "cannot be read now" in change
    assert scheduled_site(kept, project).settings().queue == "long"
