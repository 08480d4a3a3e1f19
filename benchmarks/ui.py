"""How long the first page over many runs takes, to its last byte and to its first paint.

    python benchmarks/ui.py [--runs 1000] [--tries 9]

Each run has a results.json of some 80 kB. The command is started anew; "cold" is the first request
after it has printed its address. The paint is that of Chromium without a window, if there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

TARGET_MS = 300
STATES = ("completed", "completed", "completed", "failed", "running")
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def make_runs(folder: Path, n_runs: int) -> int:
    """Make folders of runs, and return the bytes of their results."""
    trace = [-1.0 / (3 + step) for step in range(400)]
    search = {"energy": -42.5, "energies": trace[:16], "trace": trace, "parameters": trace[:8]}
    landscape = [[value * row for value in trace[:48]] for row in range(48)]
    size = 0
    for number in range(n_runs):
        began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        run = folder / f"{began:%Y%m%dT%H%M%SZ}-maxcut-{number:06x}"
        run.mkdir()
        (run / "experiment.toml").write_text('name = "maxcut"\n')
        document = {
            "run": {
                "name": "maxcut",
                "status": STATES[number % len(STATES)],
                "site": ("local", "slurm", "k8s")[number % 3],
                "started": began.isoformat(),
                "duration_s": 20.0 + number,
            },
            "experiment": {"workflow": {"name": "pipeline"}},
            "stages": [],
            "tasks": {
                "search": {
                    "status": "completed",
                    "type": "hybrid_parsl.results:SearchResult",
                    "result": {**search, "energy": -number},
                },
                "analysis": {"status": "completed", "result": {"landscape": landscape}},
            },
        }
        size += (run / "results.json").write_text(json.dumps(document, indent=2))
    return size


def start(runs: Path) -> tuple[subprocess.Popen[str], str]:
    """Start the command, and return it with its address."""
    command = [sys.executable, "-m", "hybrid_parsl", "ui", "--port", "0", "--runs-dir", str(runs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = ""
    while not (found := re.search(r"http://\S+token=\S+", lines)):
        lines += process.stdout.readline() if process.stdout else ""
    return process, found[0]


class Asker:
    """Asks for the first page as a browser does."""

    def __init__(self, address: str) -> None:
        self._base = address.partition("?")[0]
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self._opener.open(address).close()

    def ms(self, query: str = "") -> tuple[float, str]:
        """Return the milliseconds until the last byte, and the page."""
        began = time.perf_counter()
        with self._opener.open(self._base + query) as answer:
            text = answer.read().decode()
        return 1e3 * (time.perf_counter() - began), text


def paints(address: str, tries: int) -> list[float]:
    """Return the milliseconds to the first contentful paint of some loads."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return []
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("table")
        for _ in range(tries):
            page.goto(address.partition("?")[0])
            found.append(float(page.wait_for_function(PAINT).json_value()))
        browser.close()
    return found


def print_times(what: str, times_ms: list[float]) -> None:
    """Print the median of some times, with the target."""
    median = statistics.median(times_ms)
    verdict = "within" if median <= TARGET_MS else "above"
    print(f"{what:44} {median:7.0f} ms  {verdict} the target of {TARGET_MS} ms")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--tries", type=int, default=9)
    given = parser.parse_args()
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    with tempfile.TemporaryDirectory() as folder:
        size = make_runs(Path(folder), given.runs)
        print(f"{given.runs} runs, {size / given.runs / 1e3:.0f} kB of results each")
        process, address = start(Path(folder))
        try:
            began = time.perf_counter()
            asker = Asker(address)
            cold, text = asker.ms()
            print_times("cold: first page", [cold])
            while "still to be read" in text:
                time.sleep(0.05)
                text = asker.ms()[1]
            print(
                f"{'all summaries are read after':44} {1e3 * (time.perf_counter() - began):7.0f} ms"
            )
            print_times("warm: first page", [asker.ms()[0] for _ in range(given.tries)])
            query = "?q=slurm&state=failed&sort=-energy"
            print_times(
                "warm: search, choice and order", [asker.ms(query)[0] for _ in range(given.tries)]
            )
            if times := paints(address, given.tries):
                print_times("warm: first contentful paint in Chromium", times)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
