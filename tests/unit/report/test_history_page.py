from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_parsl.report import trend_figure
from hybrid_parsl.report.history_page import render_history
from hybrid_parsl.report.inline_svg import is_picture
from hybrid_parsl.report.trend_figure import draw_trend


def run(day, outcome="completed", **values):
    return {
        "id": str(day),
        "started": f"2026-06-{day:02d}T02:00:01+02:00",
        "outcome": outcome,
        "exit_code": 0,
        "duration_s": 60.0 + day,
        "energy": -100.0 - day,
        "run": f"/runs/run-{day}",
        "message": "",
        "by_hand": False,
        "notes": [],
        **values,
    }


RUNS = [
    run(1),
    run(2, "failed", energy=None, message="error in the search stage: <b>no</b>\nlog: x"),
    run(3, "refused", energy=None, duration_s=0.0, run=None),
    run(4, by_hand=True, notes=["local time went from UTC+01:00 to UTC+02:00"]),
    run(5, "running", energy=None, duration_s=None),
]


OUTCOMES = ("completed", "failed", "completed")


@pytest.fixture(scope="module")
def page():
    return render_history({"name": "nightly", "times": "0 2 * * *", "site": "slurm", "runs": RUNS})


def test_the_page_tells_each_run_and_what_the_clock_did(page):
    for outcome in ("completed", "failed", "refused", "running"):
        assert re.search(rf'class="badge \w+">{outcome}<', page)
    assert "UTC+01:00 to UTC+02:00" in page
    assert page.index("run-5") < page.index("run-1<")
    assert "&lt;b&gt;no" in page
    assert "log: x" not in page


def test_the_key_numbers_are_of_the_runs_that_are_over_and_not_refused(page):
    values = re.findall(r'class="value">([^<]+)<', page)
    assert values[:4] == ["4", "66.7\N{NO-BREAK SPACE}%", "1 min 02 s", "\N{MINUS SIGN}104"]


def test_a_run_by_hand_is_marked(page):
    row = page[page.index("2026-06-04") : page.index("2026-06-03")]
    assert "by hand" in row
    assert page.count("by hand") == 1


def test_a_refused_overlap_is_neither_good_nor_bad(page):
    assert re.search(r'class="badge neutral">refused<', page)


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize(("outcome", "n_energies"), [("completed", 1), ("failed", 0)])
def test_each_run_is_one_mark_a_panel(outcome, n_energies):
    energy = -1.0 if n_energies else None
    runs = [run(1, outcome, energy=energy), run(2, "refused", energy=None, duration_s=0.0)]
    for axes in trend_figure._figure(runs[:1]).axes:
        assert sum(len(line.get_xdata()) for line in axes.lines) == 1
    assert draw_trend(runs) == draw_trend(runs[:1])


def test_axes_without_values_have_no_numbers():
    energies, durations = trend_figure._figure([run(1, "failed", energy=None)]).axes
    assert list(energies.get_yticks()) == []
    assert durations.get_ylim()[0] == 0


def test_a_single_run_is_shown_with_the_hours_around_it():
    axes = trend_figure._figure([run(1)]).axes[0]
    low, high = axes.get_xlim()
    assert (high - low) * 24 == pytest.approx(12)


def test_a_trend_needs_a_run_that_has_ended():
    runs = [run(1, "running", energy=None, duration_s=None), run(2, "refused", energy=None)]
    assert 'role="img"' not in render_history({"name": "nightly", "runs": runs})


def test_the_page_needs_nothing_but_itself(page):
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert page.count('role="img"') == 1


def test_site_settings_that_have_changed_are_shown():
    changed = ["account is 'b' now; the schedule keeps 'a<'"]
    page = render_history({"name": "nightly", "runs": [], "changed": changed})
    assert "site settings: account is" in page
    assert "a&lt;" in page


def test_a_schedule_that_never_ran_has_a_page():
    page = render_history({"name": "nightly", "runs": []})
    assert "It has not run yet" in page
    assert "never run" in page


@pytest.mark.usefixtures("thorough")
def test_the_same_runs_give_the_same_figure():
    assert is_picture(draw_trend(RUNS))
    assert draw_trend(RUNS) == draw_trend(RUNS)


@pytest.mark.parametrize("energy", [-100.367, -0.15275179, 1234.5])
def test_no_label_and_no_mark_is_cut_off(energy):
    runs = [run(day, outcome, energy=energy) for day, outcome in enumerate(OUTCOMES, start=1)]
    figure = trend_figure._figure([*runs, run(9, "deadline", duration_s=14.2, energy=None)])
    figure.draw_without_rendering()
    for axes, values in zip(figure.axes, (energy, 63.0), strict=True):
        assert axes.yaxis.label.get_window_extent().x0 >= 0
        assert axes.get_ylim()[0] < values < axes.get_ylim()[1]


@pytest.mark.usefixtures("thorough")
@settings(max_examples=5)
@given(
    st.lists(
        st.builds(
            run,
            st.integers(1, 30),
            st.sampled_from(["completed", "failed", "refused", "lost"]),
            energy=st.one_of(st.none(), st.floats(-1e12, 1e12)),
            duration_s=st.one_of(st.none(), st.floats(0, 1e7)),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_history_can_be_drawn(runs):
    assert is_picture(draw_trend(runs))
