"""What an endpoint of Globus Compute calls: runs hybrid-parsl there as a program of its own.

The text of this file is registered as the function, so it imports nothing but the standard
library and never changes with the experiment: an endpoint can allow its id and nothing else.
JSON goes in and comes out, which no difference between two versions of Python can break.

The run is a process of its own, in a session of its own: a Parsl inside a worker would share
the worker's global state, and its processes would outlive it. The kernel sends the run SIGTERM
when the worker dies, and the run ends its jobs and processes.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path
from typing import Any

PROTOCOL = 1
"""Changes whenever a request or an answer means something else."""

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
BROUGHT = ("results.json", "report.html")
_UNDER_WAY = 6
"""The exit code of hybrid-parsl where another process drives the run."""
_REFUSED = 2
"""The exit code of hybrid-parsl for invalid input."""
_TAIL_BYTES = 8000
_MOST_OUTPUTS = 200
_LIMIT_BYTES = 1_000_000
_ALLOW = "HYBRID_PARSL_REMOTE_ALLOW"
_SETTINGS = (
    *("account", "blocks", "cpus_per_rank", "idle_time", "memory_gib_per_rank", "mpi", "nodes"),
    *("partition", "queue", "ranks_per_node", "stages", "walltime"),
)
_NO_RESULTS = ("parsl", "tasks", "driver.lock")
_DROPPED = re.compile(r"^GLOBUS_.*(SECRET|TOKEN)|^GC_TASK_UUID$|^PYTHONSAFEPATH$")
_PROBE = """
import json
from hybrid_parsl.records.versions import software_versions
print(json.dumps(software_versions()))
"""
_TETHERED = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG; kept by exec
if os.getppid() == int(sys.argv[1]):  # else the worker has died before that
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def hybrid_parsl(text: str) -> str:
    """Do what a request asks for: ``run``, ``collect`` what a run has left, or ``check``.

    Parameters
    ----------
    text
        A request as JSON: see `hybrid_parsl.remote.request`.

    Returns
    -------
    str
        The manifest of a run, or the versions for ``check``, as JSON.

    Raises
    ------
    ValueError
        If the request is for another version of this function, or not valid.
    OSError
        If the folder of the run cannot be written.
    """
    request = json.loads(text)
    if request["protocol"] != PROTOCOL:
        message = f"the function speaks protocol {PROTOCOL}, the caller {request['protocol']}"
        raise ValueError(message)
    actions = {"run": _run, "collect": _collect, "check": _check}
    return json.dumps({"protocol": PROTOCOL, **actions[request["action"]](request)})


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """Start or resume a run, unless the versions differ."""
    folder = _folder(request)
    if refused := _refused(request):
        return {**_manifest(request, folder, _REFUSED), "stderr_tail": f"\nerror: {refused}"}
    if _versions().get("hybrid-parsl", "").partition("+")[0] != request["version"]:
        return _manifest(request, folder, None)
    return _manifest(request, folder, _run_in(folder, request))


def _refused(request: dict[str, Any]) -> str:
    """Return why the endpoint does not take a request, nothing if it does.

    Code and commands of the caller's choice have to be listed in the variable `_ALLOW` there.
    """
    experiment = tomllib.loads(request["experiment"])
    asked = []
    for table, key in (("problem", "kind"), ("search", "method"), ("quantum", "backend")):
        name = str(experiment.get(table, {}).get(key))
        asked += [(f"{table}.{key}", name)] if ":" in name else []
    site, keys = request["site"], [each.partition("=")[0] for each in request["site_settings"]]
    asked += [("--site", site)] if "/" in site or site.endswith(".py") else []
    asked += [("--remote-project", request["project"])] if request["project"] else []
    asked += [("--site-set", key) for key in keys if key.partition(".")[0].strip() not in _SETTINGS]
    allowed = [each.strip() for each in os.environ.get(_ALLOW, "").split(",")]
    for key, name in asked:
        if name.strip() not in allowed:
            valid = f"what {_ALLOW} in the endpoint's user_environment.yaml lists"
            return f"{key}: the endpoint does not allow it\n  found: {name}\n  valid: {valid}"
    return ""


def _collect(request: dict[str, Any]) -> dict[str, Any]:
    """Tell what a run has left on the disk, whatever has become of it."""
    folder = _folder(request)
    known = folder / "exit_code"
    code = int(known.read_text(encoding="utf-8")) if known.exists() else None
    return _manifest(request, folder, code)


def _check(_: dict[str, Any]) -> dict[str, Any]:
    """Tell where we are and with which versions."""
    return {"host": socket.gethostname(), "versions": _versions()}


def _folder(request: dict[str, Any]) -> Path:
    """Return the folder that all tries of one run share."""
    if not _KEY.fullmatch(request["key"]):
        message = f"not the name of a run: {request['key']!r}"
        raise ValueError(message)
    parent = Path(os.path.expandvars(request["folder"])).expanduser()
    if "$" in str(parent) or not parent.is_absolute():
        message = f"not an absolute path on {socket.gethostname()}: {parent}"
        raise ValueError(message)
    return parent / str(request["key"])


def _versions() -> dict[str, str]:
    """Return the versions that a process started now finds, which may be newer than ours."""
    command = [sys.executable, "-P", "-c", _PROBE]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        command, cwd="/", capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        return {"python": sys.executable, "error": done.stderr[-_TAIL_BYTES:]}
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


def _run_in(folder: Path, request: dict[str, Any]) -> int:
    """Start or resume the run in `folder`, and return its exit code.

    Two tasks of one run may begin together, when the endpoint was away; the second is told that
    the first is under way.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        message = f"belongs to another user on {socket.gethostname()}: {folder}"
        raise PermissionError(message)
    with (folder / "call.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _UNDER_WAY
        return _run_alone(folder, request)


def _run_alone(folder: Path, request: dict[str, Any]) -> int:
    """Do as `_run_in`, while no other call works in `folder`."""
    asked = folder / "experiment.toml"
    asked.write_text(request["experiment"], encoding="utf-8")
    before = _run_directory(folder)
    begin = ["run", str(asked), "--site", request["site"], "--no-cache"]
    what = begin if before is None else ["resume", before]
    project = ["--project", request["project"]] if request["project"] else []
    settings = [f"--site-set={each}" for each in request["site_settings"]]
    arguments = ["-P", "-m", "hybrid_parsl", *project, *what, "--runs-dir", str(folder), *settings]
    (folder / "exit_code").unlink(missing_ok=True)
    code = _run_tethered(arguments, folder)
    (folder / "exit_code").write_text(str(code), encoding="utf-8")
    return code


def _run_tethered(arguments: list[str], folder: Path) -> int:
    """Run Python with `arguments` until it ends; it is ended when this process ends."""
    command = [sys.executable, "-P", "-c", _TETHERED, str(os.getpid()), *arguments]
    variables = {name: value for name, value in os.environ.items() if not _DROPPED.match(name)}
    with (folder / "stdout.log").open("ab") as out, (folder / "stderr.log").open("ab") as err:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        raise


def _run_directory(folder: Path) -> str | None:
    """Return the run directory in `folder`, None if the run has not begun."""
    found = sorted(folder.glob("*/experiment.toml"))
    return str(found[0].parent) if found else None


def _manifest(request: dict[str, Any], folder: Path, code: int | None) -> dict[str, Any]:
    """Return what the run has left, small enough to travel; the same stays on the disk."""
    place = _run_directory(folder)
    manifest: dict[str, Any] = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "versions": _versions(),
        "exit_code": code,
        "folder": str(folder),
        "run_directory": place,
        "status": None,
        "metrics": {},
        "outputs": [],
        "stdout_tail": _tail(folder / "stdout.log"),
        "stderr_tail": _tail(folder / "stderr.log"),
    }
    if place is not None:
        manifest |= _results(Path(place))
        manifest["outputs"] = _outputs(Path(place))
    if folder.is_dir():
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return {**manifest, "files": _files(place, request.get("limit_bytes", _LIMIT_BYTES))}


def _results(place: Path) -> dict[str, Any]:
    """Return status and key figures from ``results.json`` so far."""
    document = json.loads((place / "results.json").read_text(encoding="utf-8"))
    metrics = {"duration_s": document["run"].get("duration_s")}
    if "search" in document:
        metrics["best_energy"] = document["search"]["energy"]
    for name in ("energy", "standard_error", "ratio"):
        metrics[name] = document.get("analysis", {}).get(name)
    status = _status(place, document["run"]["status"])
    return {"status": status, "metrics": metrics, "error": document.get("error")}


def _status(place: Path, recorded: str) -> str:
    """Return the status of a run: ``left`` if its record says ``running`` and its driver died."""
    if recorded != "running":
        return recorded
    try:
        with (place / "driver.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return "left"
    except OSError:  # a driver holds it, or the file system has no locks
        return recorded
    return "left"


def _outputs(place: Path) -> list[dict[str, Any]]:
    """Return path, size in bytes and SHA-256 of the results, without the tasks' own files."""
    outputs = []
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        parts = path.relative_to(place).parts
        if parts[0] not in _NO_RESULTS and not parts[-1].startswith("."):
            name, data = "/".join(parts), path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            outputs.append({"name": name, "bytes": len(data), "sha256": digest, "path": str(path)})
    return outputs[:_MOST_OUTPUTS]


def _files(place: str | None, limit_bytes: int) -> dict[str, str]:
    """Return the packed content of the files that are brought home, as far as it fits."""
    files: dict[str, str] = {}
    for name in BROUGHT if place else ():
        path = Path(str(place)) / name
        if path.is_file():
            packed = base64.b64encode(zlib.compress(path.read_bytes(), 9)).decode()
            if sum(map(len, files.values())) + len(packed) <= limit_bytes:
                files[name] = packed
    return files


def _tail(path: Path) -> str:
    """Return the end of a log, empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
