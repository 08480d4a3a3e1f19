from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from hybrid_parsl.report.captions import caption
from hybrid_parsl.report.inline_svg import inline_svg, is_picture
from hybrid_parsl.report.page import render_page
from hybrid_parsl.report.sections import MOST_ROWS, angles, timeline
from hybrid_parsl.report.style import message_svg
from hybrid_parsl.report.text import BETA, GAMMA, duration, number, percent, shortened, with_error

MINUS = "\N{MINUS SIGN}"
VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = "<script>alert('x')</script>\"'&"


class Reader(HTMLParser):
    """Checks that tags are balanced, and keeps tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> tuple[Reader, str]:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    assert "script" not in reader.tags
    identifiers = [value for _, name, value in reader.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))
    known = set(identifiers)
    for _, name, value in reader.attributes:
        assert not name.startswith("on")
        if name in {"href", "src", "xlink:href"}:
            assert value.startswith(("#", "data:"))
        if name in {"href", "xlink:href"} and value.startswith("#"):
            assert value[1:] in known
        if name == "aria-labelledby":
            assert value in known
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert "http://" not in without_names
    assert "https://" not in without_names
    assert "@import" not in page
    return reader, " ".join("".join(reader.text).split())


def test_a_whole_run(run: Any, figures: dict[str, str]) -> None:
    document = json.loads(json.dumps(run.document()))
    page = render_page(document, figures)
    reader, text = read(page)
    assert len(page.encode()) < 2_000_000
    assert reader.tags.count("svg") == 4
    assert reader.tags.count("h1") == 1
    for expected in (
        f"{MINUS}3.25",
        f"{MINUS}3.210 ± 0.031",
        "0.8025",
        "45.5 %",
        "started 2025-06-01 14:22:33 UTC",
        f"6 starts ended between {MINUS}3.25 and {MINUS}2",
        "[problem]",
        "OPENQASM 3.0",
        "aer_simulator 0.17.2",
    ):
        assert expected in text
    assert "alert" not in text


@pytest.mark.usefixtures("thorough")
def test_the_page_is_always_the_same(run: Any, figures: dict[str, str]) -> None:
    assert render_page(run.document(), figures) == render_page(run.document(), figures)


@pytest.mark.parametrize("stages", [0, 1, 2])
def test_a_failed_run_shows_its_error_and_what_it_has(run: Any, stages: int) -> None:
    document = run.document()
    for name in ("search", "quantum", "analysis")[stages:]:
        del document[name]
    document["run"].update(status="failed", finished=None, duration_s=None)
    document["error"] = {"type": "RankFailedError", "message": "rank 2 on cn01\n  | boom"}
    document["stages"] = document["stages"][:stages]
    reader, text = read(render_page(document, {}))
    assert "RankFailedError" in text
    assert "boom" in text
    assert ("Best energy found" in text) == (stages > 0)
    assert "svg" not in reader.tags


def test_every_number_may_be_missing(run: Any) -> None:
    document = run.document()

    def forget(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: forget(item) for key, item in value.items()}
        if isinstance(value, list):
            return [forget(item) for item in value]
        return None if isinstance(value, int | float) else value

    read(render_page(forget(document), {}))


def test_an_empty_document_and_an_empty_table_of_each() -> None:
    read(render_page({}, {}))
    names = ("run", "experiment", "versions", "search", "quantum", "analysis", "error")
    read(render_page({**{name: {} for name in names}, "stages": []}, {}))
    read(render_page({**dict.fromkeys(names), "stages": None}, {}))


def test_the_page_says_what_was_read(run: Any) -> None:
    known = {"file": "a<b.mc", "format": "rudy", "holds": "graph", "nodes": 6, "edges": 8}
    document = json.loads(json.dumps(run.document()))
    document["experiment"]["problem"]["read_from"] = {**known, "first_node": 1}
    assert "read a&lt;b.mc: graph, format rudy, 6 nodes, 8 edges" in render_page(document, {})
    document["experiment"]["problem"]["read_from"] = {"file": 3}
    assert "<span>read" not in render_page(document, {})


def test_hostile_text_is_only_text(run: Any) -> None:
    def poison(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: poison(item) for key, item in value.items()}
        if isinstance(value, list):
            return [poison(item) for item in value]
        return HOSTILE if isinstance(value, str) else value

    document = poison(copy.deepcopy(run.document()))
    document["versions"][HOSTILE] = HOSTILE
    document["experiment"][HOSTILE] = {HOSTILE: HOSTILE}
    document["error"] = {"type": HOSTILE, "message": HOSTILE}
    page = render_page(document, {HOSTILE: message_svg(HOSTILE), "search": message_svg("x")})
    read(page)
    assert "<script" not in page


@pytest.mark.parametrize(
    "svg",
    [
        "",
        "no svg",
        "<svg><script>alert(1)</script></svg>",
        '<svg onload="alert(1)"></svg>',
        '<svg><image href="https://example.org/x.png"/></svg>',
        '<svg><a xlink:href="javascript:alert(1)">x</a></svg>',
        "<svg><foreignObject><p>x</p></foreignObject></svg>",
        "<svg></svg><p>more</p><svg></svg>",
        "<svg><g></svg>",
        '<svg style="fill:url(//example.org/x)"></svg>',
        r'<svg style="fill:\75rl(//example.org/x)"></svg>',
        '<svg style="fill:u/**/rl(//example.org/x)"></svg>',
        '<svg style="fill:&#117;rl(//example.org/x)"></svg>',
        "<svg style='mask:image-set(\"//example.org/x\" 1x)'></svg>",
        '<svg style="mask:-webkit-image-set(//example.org/x)"></svg>',
        '<svg style="background:red"></svg>',
        '<svg style="fill:expression(alert)"></svg>',
        '<svg style="fill:var(--alert)"></svg>',
        '<svg fill="url(//example.org/x)"></svg>',
        '<svg mask="url(#a) url(//example.org/x)"></svg>',
        r'<svg fill="\75rl(//example.org/x)"></svg>',
        '<svg xml:base="//example.org/"></svg>',
        '<svg class="alert"></svg>',
        '<svg><use href="data:image/svg+xml;base64,alert"/></svg>',
        '<svg><image href="data:text/html,alert"/></svg>',
        "<svg aria-label='x width=\"'><rect y=\"1\"/><text>' onload='alert(1)</text></svg>",
        "<svg>" + "<g>" * 100 + "alert" + "</g>" * 100 + "</svg>",
        "<svg><!--> <script>alert(1)</script> --></svg>",
        "<!DOCTYPE svg [<!ENTITY a 'alert'>]><svg>&a;</svg>",
        "<svg><style>@import '//example.org/x'</style></svg>",
        "<g></g>",
    ],
)
def test_a_figure_that_is_more_than_a_picture_is_left_out(svg: str) -> None:
    page = render_page({}, {"search": svg})
    _, text = read(page)
    assert "is left out" in text
    assert "alert" not in page
    assert "example.org" not in page


def test_what_a_plotting_library_draws_is_kept() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<path id="a" d="M 1.5,2 L -3 4e-1 z" transform="translate(1 2) scale(0.1 -0.1)"/>'
        "<text style=\"font-family: 'DejaVu Sans'; fill: rgb(1, 2, 3)\">"
        "&lt;x&gt; url(//text)</text>"
        '<use xlink:href="#a" clip-path="url(#a)" style="fill: #0072b2; stroke: url(#a)"/>'
        '<image href="data:image/png;base64,AAAA"/></svg>'
    )
    assert is_picture(svg)
    inlined = inline_svg(svg, "f1", 'a "label" <b>')
    assert inlined.count("f1-a") == 4
    assert 'aria-label="a &quot;label&quot; &lt;b&gt;"' in inlined
    assert "&lt;x&gt; url(//text)" in inlined


@pytest.mark.usefixtures("thorough")
def test_ids_of_two_figures_do_not_clash(run: Any, figures: dict[str, str]) -> None:
    svg = figures["search"]
    read(render_page(run.document(), {"search": svg, "other": svg, "other two": svg}))


def test_long_tables_are_shortened(run: Any) -> None:
    document = run.document()
    document["analysis"]["top"] = document["analysis"]["top"][:1] * (MOST_ROWS + 7)
    _, text = read(render_page(document, {}))
    assert "7 more are in results.json" in text


def test_caption_of_a_search_that_reached_the_optimum(run: Any) -> None:
    document = run.document()
    assert "0.75 above the optimum" in caption("search", document)
    document["search"]["energy"] = -4.0 + 1e-13
    assert caption("search", document).endswith(", at the optimum.")
    assert caption("unknown", document) == ""


def test_timeline_places_the_stages() -> None:
    run = {"started": "2025-06-01T10:00:00Z", "finished": "2025-06-01T10:01:40Z"}
    stage = {"name": "search", "started": "2025-06-01T10:00:10Z",
             "finished": "2025-06-01T10:01:00Z", "duration_s": 50.0, "status": "failed",
             "host": ["a", "b"]}  # fmt: skip
    (bar, other), ticks = timeline(run, [stage, {"name": "quantum"}])
    assert (bar.left, bar.width, bar.tone, bar.host) == (10.0, 50.0, "bad", "a, b")
    assert (other.left, other.time, other.status) == (None, "—", "unknown")
    assert [tick.text for tick in ticks] == ["0 s", "30 s", "1 min 00 s", "1 min 30 s"]


def test_angles_are_named_only_where_they_are_alternating(run: Any) -> None:
    document = run.document()
    assert angles(document) == (
        ["layer", f"{GAMMA} (rad)", f"{BETA} (rad)"],
        [["1", "0.600000", "0.400000"]],
    )
    document["experiment"]["problem"]["kind"] = "mine:Problem"
    document["analysis"]["landscape"] = None
    assert angles(document)[0] == ["index", "angle (rad)"]


def test_numbers_for_a_reader() -> None:
    assert number(-0.125) == f"{MINUS}0.125"
    assert number(None) == number(float("nan")) == number("x") == "—"
    assert (
        with_error(-18.20345, 0.0421) == f"{MINUS}18.203\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.042"
    )
    assert with_error(1.5, None) == "1.5"
    assert with_error(1234.6, 250.0) == "1235\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}250"
    assert percent(0.07251) == "7.25\N{NO-BREAK SPACE}%"
    assert [duration(s) for s in (0.351, 59.99, 192, 7500, 200_000)] == [
        "0.351 s", "60 s", "3 min 12 s", "2 h 05 min", "2 d 07 h",
    ]  # fmt: skip
    assert shortened("0" * 40, 9) == "0000…0000"


def test_reused_results_name_their_run(run: Any) -> None:
    document = run.document()
    document["stages"][0]["reused_from"] = "0-ring"
    document["tasks"] = {
        "search": {"status": "completed", "reused_from": "0-ring", "result": document["search"]},
        "compare": {"status": "completed", "reused_from": "1-ring", "result": 7},
    }
    _, text = read(render_page(document, {}))
    assert "reused from run 0-ring" in text
    assert "reused from run 1-ring" in text
    assert "s in run 0-ring" in text
