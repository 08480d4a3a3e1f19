"""The page in a real browser: Chromium without a window."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from services import require
from ui_runs import base_of, make_hostile_runs, make_run, results, served, study

from hybrid_parsl.optimize.journal import Journal
from hybrid_parsl.optimize.start import Start
from hybrid_parsl.records.run_lock import run_lock
from hybrid_parsl.ui import pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NARROW = {"width": 360, "height": 740}
# what Chromium itself writes when a sandboxed document or a policy keeps something from happening
KEPT_AWAY = ("sandboxed", "Content Security Policy", "404")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    require("chromium", "chromium", available=CHROMIUM is not None)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A visit of the page in a browser, which notes what must not happen.

    Attributes
    ----------
    base
        The address of the first page.
    page
        The tab of the browser.
    faults
        Messages of the console and dialogs.
    outside
        Requests that were answered and went elsewhere.
    """

    def __init__(self, context: Any, address: str) -> None:
        self.base = base_of(address)
        self.page = context.new_page()
        self.faults: list[str] = []
        self.outside: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.faults.append("dialog"), dialog.dismiss()))
        context.on("response", lambda response: self._check(response.url))
        self.page.goto(address)
        self.page.wait_for_url(f"{self.base}/")

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    def _check(self, url: str) -> None:
        if not url.startswith((self.base, "data:")):
            self.outside.append(url)

    def open(self, path: str) -> Any:
        """Open a page, and return the tab."""
        self.page.goto(f"{self.base}{path}")
        return self.page

    def rows(self) -> list[str]:
        """Return the names of the runs in the table."""
        return self.page.locator(".runs tbody th a").all_inner_texts()

    def expect_rows(self, *names: str) -> None:
        """Wait until the table has these rows."""
        wanted = json.dumps(list(names))
        self.page.wait_for_function(
            "wanted => JSON.stringify([...document.querySelectorAll('.runs tbody th a')]"
            ".map(each => each.innerText)) === wanted",
            arg=wanted.replace('", "', '","'),
        )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    make_run(folder, "1-maxcut", results(-3.0))
    make_run(folder, "2-bell", results(-1.0, site="slurm"))
    make_run(folder, "3-maxcut", results(-2.0, status="failed"))
    return folder


@pytest.fixture
def visit(browser: Any, runs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visit]:
    monkeypatch.setattr(pages, "_FREQUENT_MS", 300)
    with served(runs) as server:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        visit = Visit(context, server.address)
        yield visit
        context.close()
        assert visit.faults == []
        assert visit.outside == []


def test_search_choice_and_order_are_kept_in_the_address(visit):
    page = visit.page
    assert visit.rows() == ["3-maxcut", "2-bell", "1-maxcut"]
    page.get_by_label("Search").fill("maxcut")
    visit.expect_rows("3-maxcut", "1-maxcut")
    page.get_by_role("button", name="Best energy").click()
    visit.expect_rows("1-maxcut", "3-maxcut")
    heading = page.get_by_role("columnheader", name="Best energy")
    assert heading.get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="Best energy").click()
    visit.expect_rows("3-maxcut", "1-maxcut")
    page.get_by_label("State").select_option("failed")
    visit.expect_rows("3-maxcut")
    assert page.url.endswith("/?q=maxcut&state=failed&sort=-energy")
    page.reload()
    visit.expect_rows("3-maxcut")
    assert page.get_by_label("Search").input_value() == "maxcut"
    assert page.get_by_role("status").first.inner_text() != page.locator("#count").inner_text()
    assert page.locator("#count").inner_text() == "1 of 3 runs"


def test_everything_can_be_reached_by_keyboard(visit):
    page = visit.page
    press = page.keyboard.press
    press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("bell")
    visit.expect_rows("2-bell")
    page.get_by_label("Search").fill("")
    visit.expect_rows("3-maxcut", "2-bell", "1-maxcut")
    for _ in range(12):  # past the choices to the title of the first column
        press("Tab")
        if page.evaluate("document.activeElement.id") == "sort-run":
            break
    press("Enter")
    visit.expect_rows("1-maxcut", "2-bell", "3-maxcut")
    assert page.evaluate("document.activeElement.id") == "sort-run"  # though the table is new
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    picked = 0
    for _ in range(20):
        press("Tab")
        if page.evaluate("document.activeElement.type") == "checkbox":
            press("Space")
            picked += 1
        if picked == 2:
            break
    page.get_by_role("button", name="Compare two runs").focus()
    press("Enter")
    page.wait_for_url("**/compare?a=1-maxcut&b=2-bell")
    assert page.get_by_role("heading", name="Energies").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_have_readable_contrast(visit, scheme):
    page = visit.page
    page.emulate_media(color_scheme=scheme)
    for path in ("/", "/runs/3-maxcut"):
        visit.open(path)
        ratios = page.evaluate(CONTRASTS)
        assert len(ratios) > 15
        assert {text: ratio for text, ratio in ratios if ratio < 4.5} == {}
    lightness = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, lightness[4:-1].split(", "))) > 380) == (scheme == "light")


CONTRASTS = """
() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const back = element => {
    for (; element; element = element.parentElement) {
      const color = parse(getComputedStyle(element).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("h1, h2, th, td, a, p, span, dt, dd, button, label, pre")]
    .filter(each => each.innerText?.trim() && each.checkVisibility() && !each.disabled)
    .map(each => {
      const [one, two] = [light(parse(getComputedStyle(each).color)), light(back(each))];
      const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
      return [each.innerText.slice(0, 40), ratio];
    });
}
"""


def test_nothing_is_cut_off_on_a_narrow_screen(visit, runs):
    make_run(runs, "4-study-with-a-name-that-is-longer-than-the-screen-is-wide", study(5))
    page = visit.page
    page.set_viewport_size(NARROW)
    study_page = "/runs/4-study-with-a-name-that-is-longer-than-the-screen-is-wide"
    log = "/runs/1-maxcut/files/tasks/search/stdout.log"
    for path in (
        "/",
        "/runs/1-maxcut",
        study_page,
        log,
        "/compare?a=1-maxcut&b=2-bell",
        "/schedules",
    ):
        visit.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], path
    visit.open("/")
    assert page.get_by_label("Compare 1-maxcut").is_visible()
    assert page.get_by_role("button", name="Started").is_visible()


def test_a_running_run_is_followed(visit, runs):
    document = results(status="running")
    document["tasks"]["search"] = {"status": "running", "total": 4, "after": []}
    document["tasks"]["quantum"] = {"status": "waiting", "after": ["search"]}
    folder = make_run(runs, "4-new", document)
    journal = Journal(folder / "tasks" / "search", "key")
    with run_lock(folder / "driver.lock", "the run"):
        page = visit.open("/runs/4-new")
        page.get_by_text("running").first.wait_for()
        assert page.get_by_role("progressbar").count() == 0
        journal.append(0, [Start(0, -1.0, [], [], 1)])
        page.get_by_text("1 of 4 starts, best energy -1").wait_for()
        assert page.get_by_role("progressbar").get_attribute("value") == "0.25"
        (folder / "results.json").write_text(json.dumps(results(-4.0)))
    page.locator(".title .badge", has_text="completed").wait_for()
    page.get_by_role("link", name="Runs").first.click()
    visit.expect_rows("4-new", "3-maxcut", "2-bell", "1-maxcut")
    make_run(runs, "5-newer")
    visit.expect_rows("5-newer", "4-new", "3-maxcut", "2-bell", "1-maxcut")


def test_a_log_is_followed_and_can_be_read_backwards(visit, runs):
    log = runs / "1-maxcut" / "tasks" / "search" / "stdout.log"
    log.write_text("".join(f"line {number}\n" for number in range(20_000)))
    page = visit.open("/runs/1-maxcut")
    page.get_by_role("link", name="stdout.log of search").click()
    page.get_by_text("line 19999").wait_for()
    with log.open("a") as file:
        file.write("the next line\n")
    page.get_by_text("the next line").wait_for()
    pre = "document.querySelector('.log')"
    assert page.evaluate(f"{pre}.scrollTop + {pre}.clientHeight >= {pre}.scrollHeight - 4")
    page.get_by_role("link", name="Earlier").click()
    page.wait_for_url("**?before=*")
    page.get_by_role("link", name="First").click()
    page.get_by_text("line 0\n").wait_for()


def test_the_figures_of_runs_and_studies_are_seen(visit, runs):
    make_run(runs, "4-study", study(4))
    for path, number in (("/runs/1-maxcut", 1), ("/runs/4-study", 2)):
        page = visit.open(path)
        page.evaluate("document.querySelectorAll('img').forEach(each => each.loading = 'eager')")
        page.wait_for_function(
            "number => { const all = [...document.images];"
            " return all.length === number && all.every(each => each.naturalWidth > 0); }",
            arg=number,
        )


def test_hostile_runs_cannot_do_anything(visit, runs):
    faults = make_hostile_runs(runs)
    visit.open("/")
    visit.page.locator(".badge", has_text="unreadable").first.wait_for()
    addresses = visit.page.locator(".runs tbody th a").evaluate_all(
        "links => links.map(each => each.getAttribute('href'))"
    )
    assert len(addresses) == len(faults) + 3
    for address in addresses:
        visit.open(address)
    links = f"/runs/{faults['links'].name}"
    for address in (f"{links}/figures/evil", f"{links}/report"):
        visit.open(address)
        # an origin of its own: it cannot ask for other pages
        assert visit.page.evaluate("self.origin") == "null", address
    kept_away = [fault for fault in visit.faults if any(word in fault for word in KEPT_AWAY)]
    assert visit.faults == kept_away
    assert sum("sandboxed" in fault for fault in kept_away) >= 2
    visit.faults.clear()


def test_a_page_of_another_site_gets_nothing(visit, browser, runs):
    with served(runs) as other:
        page = browser.new_context().new_page()
        page.goto(f"{base_of(other.address)}/nothing")  # another port: another site's page
        blocked = page.evaluate(
            "address => fetch(address, {mode: 'no-cors', credentials: 'include'})"
            ".then(() => 'answered', () => 'blocked')",
            f"{visit.base}/",
        )
        assert blocked == "blocked"
        page.context.close()


def test_it_works_without_scripts(browser, runs):
    with served(runs) as server:
        context = browser.new_context(java_script_enabled=False)
        visit = Visit(context, server.address)
        visit.page.get_by_label("Search").fill("maxcut")
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_url("**q=maxcut**")
        assert visit.rows() == ["3-maxcut", "1-maxcut"]
        visit.page.get_by_label("Compare 1-maxcut").check()
        visit.page.get_by_label("Compare 3-maxcut").check()
        visit.page.get_by_role("button", name="Compare two runs").click()
        visit.page.wait_for_url("**/compare?run=3-maxcut&run=1-maxcut")
        context.close()
