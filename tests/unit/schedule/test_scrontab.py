from __future__ import annotations

import pytest

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.schedule.crontab import shell_command
from hybrid_parsl.schedule.scrontab import scrontab_entry


def test_the_options_are_lines_before_the_times(make_schedule):
    lines = scrontab_entry(make_schedule(deadline="2d"), "/s/a %.toml").splitlines()
    assert all(line.startswith("#SCRON --") for line in lines[:-1])
    assert "#SCRON --time=2-00:02:30" in lines
    assert lines[-1] == f"0 2 * * * {shell_command('/s/a %.toml')}"


def test_the_times_are_numbers(make_schedule):
    entry = scrontab_entry(make_schedule(cron="3-59/20 2 1-7,20 jan,mar mon-fri"), "/s/a.toml")
    assert entry.splitlines()[-1].startswith("3,23,43 2 1-7,20 1,3 1-5 ")


def test_without_a_deadline_the_partition_has_its_own(make_schedule):
    assert "--time" not in scrontab_entry(make_schedule(deadline=None), "/s/a.toml")


def test_the_state_may_have_a_percent_sign(make_schedule):
    entry = scrontab_entry(make_schedule(state="/s/50%j"), "/s/a.toml")
    assert "#SCRON --output=/s/50%%j/scrontab.log" in entry


def test_days_that_slurm_may_read_in_another_way_are_refused(make_schedule):
    with pytest.raises(ConfigurationError, match="either one elsewhere"):
        scrontab_entry(make_schedule(cron="0 2 */2 * mon"), "/s/a.toml")


@pytest.mark.parametrize("state", ["/with a blank", "/with\nan end"])
def test_a_path_that_scrontab_cannot_hold_is_refused(make_schedule, state):
    with pytest.raises(ConfigurationError, match="cannot hold"):
        scrontab_entry(make_schedule(state=state), "/s/a.toml")
