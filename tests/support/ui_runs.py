"""Folders of runs as they may be found, and the page over them, served in this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hybrid_parsl.result_view import type_name
from hybrid_parsl.results import SearchResult
from hybrid_parsl.ui.server import PageServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="400pt" height="200pt" viewBox="0 0 400 200">'
    '<rect width="400" height="200" fill="#0072b2"/></svg>'
)


def results(energy: float = -1.5, **run: Any) -> dict[str, Any]:
    """Return the results of a run of three tasks."""
    found = {
        "parameters": [0.5],
        "energy": energy,
        "method": "multistart",
        "best_start": 0,
        "energies": [energy],
        "trace": [energy],
        "n_evaluations": 1,
        "execution": {"duration_s": 0.5, "n_ranks": 2, "hosts": ["here"]},
    }
    ended = {"status": "completed", "duration_s": 2.0, "host": "here"}
    times = [f"2026-01-01T00:00:0{second}.000Z" for second in range(8)]
    return {
        "run": {
            "name": "maxcut",
            "status": "completed",
            "site": "local",
            "started": times[0],
            "finished": times[7],
            "duration_s": 7.0,
            **run,
        },
        "experiment": {"name": "maxcut", "workflow": {"name": "pipeline"}, "search": {"starts": 4}},
        "versions": {"numpy": "2.0"},
        "stages": [],
        "tasks": {
            "search": {
                **ended,
                "after": [],
                "total": 4,
                "started": times[0],
                "finished": times[2],
                "type": type_name(SearchResult),
                "result": found,
            },
            "quantum": {**ended, "after": ["search"], "started": times[2], "finished": times[4]},
            "analysis": {
                **ended,
                "after": ["search", "quantum"],
                "started": times[4],
                "finished": times[6],
            },
        },
        "search": found,
    }


def study(n_points: int) -> dict[str, Any]:
    """Return the results of a study."""
    document = results()
    search = document["tasks"]["search"]
    document["tasks"] = {
        f"{point}.search": {**search, "result": {**search["result"], "energy": -1.0 - point}}
        for point in range(n_points)
    }
    del document["search"]
    points = [
        {"name": str(k), "values": {"ansatz.layers": k}, "tasks": {"search": f"{k}.search"}}
        for k in range(n_points)
    ]
    return {**document, "study": {"keys": ["ansatz.layers"], "points": points}}


def make_run(runs: Path, name: str, content: dict[str, Any] | bytes | None = None) -> Path:
    """Make the folder of a run; its results are those of `results` unless others are given."""
    folder = runs / name
    (folder / "figures").mkdir(parents=True)
    (folder / "experiment.toml").write_text('name = "maxcut"\n')
    (folder / "figures" / "search.svg").write_text(SVG)
    data = content if isinstance(content, bytes) else json.dumps(content or results()).encode()
    (folder / "results.json").write_bytes(data)
    for task in ("search", "quantum", "analysis"):
        (folder / "tasks" / task).mkdir(parents=True)
        (folder / "tasks" / task / "stdout.log").write_text(f"{task} has printed this\n")
        (folder / "tasks" / task / "stderr.log").touch()
    return folder


def make_hostile_runs(runs: Path) -> dict[str, Path]:
    """Make runs that are damaged, or made to harm whoever looks at them; return them by fault."""
    script = "<script>alert(1)</script>"
    scripted = results(name=script, status="<img src=x onerror=alert(1)>", site="\u202e<b>")
    scripted["tasks"] = {
        script: {"status": "failed", "after": ["../.."], "error": {"message": f"</pre>{script}"}}
    }
    scripted["experiment"]["workflow"]["name"] = f'">{script}'
    scripted["error"] = {"type": script, "message": f"</pre>{script}"}
    faults = {
        "truncated": make_run(runs, "truncated", b'{"run": {"status": "comp'),
        "binary": make_run(runs, "binary", bytes(range(256)) * 20),
        "wrong types": make_run(runs, "types", {"run": {"status": 5}, "tasks": [1]}),
        "deep": make_run(runs, "deep", b'{"run":' + b"[" * 100_000),
        "fifo": make_run(runs, "fifo"),
        "large": make_run(runs, "large"),
        "script": make_run(runs, "<script>alert(1)<|script>", scripted),
        "letters": make_run(runs, "\u202eltr ü\nline%2e%2e"),
        "no UTF-8": make_run(runs, os.fsdecode(b"bytes-\xff\xfe")),
        "links": make_run(runs, "links"),
    }
    (faults["fifo"] / "results.json").unlink()
    os.mkfifo(faults["fifo"] / "results.json")
    with (faults["large"] / "results.json").open("r+b") as file:
        file.truncate(100 * 2**20)
    links = faults["links"]
    (links / "tasks" / "search" / "stdout.log").unlink()
    (links / "tasks" / "search" / "stdout.log").symlink_to("/etc/passwd")
    (links / "tasks" / "outside").symlink_to("/etc")
    (links / "report.html").write_text(f"{script}<img src='http://192.0.2.1/x.png'>")
    (links / "figures" / "evil.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">{script}'
        '<image href="http://192.0.2.1/y.png"/></svg>'
    )
    (runs / "a-link").symlink_to("/etc")
    return faults


@dataclass(frozen=True)
class Answer:
    """What the page has answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """Asks an application without a network."""

    def __init__(self, application: Any, **headers: str) -> None:
        self._application = application
        self.headers = {"host": "127.0.0.1", **headers}

    def get(self, address: str, method: str = "GET", **headers: str) -> Answer:
        """Return the answer to one request; underscores in names of headers are hyphens."""
        return asyncio.run(self._get(address, method, {**self.headers, **headers}))

    async def _get(self, address: str, method: str, headers: dict[str, str]) -> Answer:
        from urllib.parse import unquote

        path, _, query = address.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (name.replace("_", "-").lower().encode(), value.encode("latin-1"))
                for name, value in headers.items()
            ],
            "server": ("127.0.0.1", 1),
            "client": ("127.0.0.1", 2),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._application(scope, receive, send)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(sent[0]["status"], found, body)


@contextlib.contextmanager
def served(runs: Path) -> Iterator[PageServer]:
    """Serve the page over a folder on a free port until the block ends."""
    page = PageServer(runs, "127.0.0.1", 0)
    server = page.server()
    thread = threading.Thread(target=server.run, args=([page.listening],))
    thread.start()
    try:
        yield page
    finally:
        server.should_exit = True
        thread.join()
        page.close()


def base_of(address: str) -> str:
    """Return the address of the first page without its token."""
    return f"http://{urlsplit(address).netloc}"
