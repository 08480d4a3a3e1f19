"""A log is decoded exactly, in any chunks; missing or damaged parts are detected."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psij import JobSpec, ResourceSpecV1
from waiting import PATIENCE_S

from hybrid_parsl.psij_kubernetes.command import ProcessLayout, Wrapping, command_line
from hybrid_parsl.psij_kubernetes.job_plan import Collection
from hybrid_parsl.psij_kubernetes.log_protocol import LineAppender, LogReader

MARK = "\x1emark0001"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


def wrapped(*words, folder, patterns=(), shell="sh", **more):
    """Return the command line of a wrapped job."""
    spec = JobSpec(words[0], list(words[1:]), **more)
    spec.resources = spec.resources or ResourceSpecV1()
    line = command_line(
        spec, ProcessLayout.of(spec), "mpich", Wrapping(MARK, patterns, str(folder))
    )
    return [*([shell, "sh"] if shell == "busybox" else [shell]), *line[1:]] if shell else line


def log_of(*words, folder, **more):
    line = wrapped(*words, folder=folder, **more)
    return subprocess.run(line, cwd=folder, capture_output=True, check=False, timeout=PATIENCE_S)


def read(log, folder, *, sizes=(10**6,), outputs=None, lines=None):
    out, err = folder / "stdout", folder / "stderr"
    wanted = {pattern: folder / path for pattern, path in (outputs or {}).items()}
    at = 0
    with LogReader(Collection(out, err, wanted, MARK, lines or {})) as reader:
        while at < len(log):
            size = sizes[at % len(sizes)]
            reader.feed(log[at : at + size])
            at += size
        report = reader.finish()
    return report, out.read_bytes(), err.read_bytes(), reader.tail()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_streams_come_back_to_the_last_byte(tmp_path, shell):
    script = r"printf 'a\n\nb'; printf 'x\ny' >&2; sleep .1; printf 'c'; exit 3"
    done = log_of("sh", "-c", script, folder=tmp_path, shell=shell)
    report, out, err, _ = read(done.stdout, tmp_path)
    assert (out, err) == (b"a\n\nbc", b"x\ny")
    assert done.returncode == report.exit_code == 3
    assert report.streams_are_complete
    assert report.files_are_complete


@pytest.mark.parametrize("shell", SHELLS)
def test_files_come_back_whole_with_odd_names(tmp_path, shell):
    pod, here = tmp_path / "pod", tmp_path / "here"
    pod.mkdir()
    data = os.urandom(100_000)
    (pod / "a b.bin").write_bytes(data)
    (pod / "empty").write_bytes(b"")
    (pod / "unwanted").write_text("x")
    patterns = ("a b.bin", "emp*", "none")
    done = log_of("true", folder=pod, patterns=patterns, shell=shell)
    outputs = {"a b.bin": "one", "emp*": "more", "none": "none"}
    report, *_ = read(done.stdout, here, outputs=outputs)
    assert report.files_are_complete, report.errors
    assert (here / "one").read_bytes() == data
    assert (here / "more" / "empty").read_bytes() == b""
    assert {path.name for path in here.iterdir()} == {"one", "more", "stdout", "stderr"}


def test_scripts_are_sourced_around_the_command(tmp_path):
    (tmp_path / "pre").write_text("export WORD=$((1 + 1)); echo before")
    (tmp_path / "post").write_text("echo after > post.txt; echo noise")
    scripts = {"pre_launch": tmp_path / "pre", "post_launch": tmp_path / "post"}
    done = log_of("sh", "-c", 'echo "$WORD"', folder=tmp_path, shell=None, **scripts)
    report, out, _, tail = read(done.stdout, tmp_path)
    assert out == b"2\n"
    assert report.exit_code == 0
    assert (tmp_path / "post.txt").read_text() == "after\n"
    assert tail == ["before", "2", "noise"]


def test_failed_pre_launch_script_ends_the_job(tmp_path):
    (tmp_path / "pre").write_text("echo gone; false")
    done = log_of("echo", "x", folder=tmp_path, shell=None, pre_launch=tmp_path / "pre")
    report, out, _, tail = read(done.stdout, tmp_path)
    assert done.returncode == report.exit_code == 1
    assert (out, tail) == (b"", ["gone"])
    assert not report.streams_are_complete


@pytest.mark.parametrize("shell", SHELLS)
def test_copies_know_their_index(tmp_path, shell):
    more = {"resources": ResourceSpecV1(process_count=3), "launcher": "multiple", "shell": shell}
    script = 'echo "$_PSI_J_PROCESS_INDEX_"; [ "$_PSI_J_PROCESS_INDEX_" != 2 ] || exit 5'
    done = log_of("sh", "-c", script, folder=tmp_path, **more)
    _, out, *_ = read(done.stdout, tmp_path)
    assert sorted(out.split()) == [b"1", b"2", b"3"]
    assert done.returncode == 5


@pytest.mark.parametrize("shell", SHELLS)
def test_sigterm_reaches_the_command_and_its_exit_code_is_reported(tmp_path, shell):
    script = 'trap "echo caught; exit 9" TERM; echo ready; while :; do sleep .05; done'
    line = wrapped("sh", "-c", script, folder=tmp_path, shell=shell)
    process = subprocess.Popen(line, stdout=subprocess.PIPE, start_new_session=True)
    head = b""
    while b"ready" not in head:
        head += process.stdout.read1(4096)
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGTERM)
    log = head + process.communicate(timeout=PATIENCE_S)[0]
    report, out, *_ = read(log, tmp_path)
    assert process.returncode == report.exit_code == 9
    assert out.endswith(b"caught\n")


def told(name, line, mark=MARK):
    content = f"{name} {line}".encode()
    head = f"\x1d{mark[1:]}{len(content)} {zlib.crc32(content):08x} "
    return head.encode() + content + b"\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_live_lines_are_not_output(tmp_path, shell):
    program = tmp_path / "program.py"
    program.write_text(TELLING)
    words = (sys.executable, str(program))
    done = log_of(*words, folder=tmp_path, shell=shell)
    for _ in range(2):
        report, out, *_ = read(done.stdout, tmp_path, lines={"a-*.txt": tmp_path / "told"})
        assert out == b"one\ntwomark0001end"
        assert report.files_are_complete
        assert (tmp_path / "told" / "a-1.txt").read_bytes() == b"x y\n"
    assert not (tmp_path / "told" / "b").exists()


TELLING = """
import os, sys
from hybrid_parsl.mpi.live_lines import LiveLines
tell = LiveLines(1).tell
def write(text):
    os.write(1, text.encode())
write("one\\n"); tell("a-1.txt", "x y"); write("two"); tell("b", "z")
write(os.environ["PSIJ_LOG_MARK"]); write("end")
"""


def test_interleaved_live_line_is_dropped_alone(tmp_path):
    whole, cut = told("a", "{2}"), told("a", "{33333}")[:-5]
    mark = MARK.encode()
    log = mark + b"S\n" + mark + b"Ewo" + whole + b"rds\n" + cut + mark + b"Emore\n"
    log += mark + b"T\n" + mark + b"X0 0\n"
    report, out, err, _ = read(log, tmp_path, sizes=(7, 3, 1), lines={"a": tmp_path / "a"})
    assert (tmp_path / "a").read_bytes() == b"{2}\n"
    assert (out, err, report.errors) == (b"", b"words\nmore\n", [])


@pytest.mark.parametrize(
    ("name", "line"),
    [("..", "x"), ("a/b", "x"), ("a" * 300, "x"), ("nul\0", "x"), ("folder", "x"), ("", "x")],
)
def test_live_line_that_cannot_be_written_is_harmless(tmp_path, name, line):
    (tmp_path / "folder").mkdir()
    records = f"{MARK}S\nout\n\n{MARK}T\n\n{MARK}X0 0\n".encode()
    log = records[:12] + told(name, line) + records[12:]
    before = sorted(tmp_path.rglob("*"))
    lines = {"*": tmp_path, "folder": tmp_path / "folder"}
    report, out, *_ = read(log, tmp_path, lines=lines)
    assert (out, report.errors, report.exit_code) == (b"out\n", [], 0)
    assert {path.name for path in set(tmp_path.rglob("*")) - set(before)} == {"stdout", "stderr"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_live_lines_are_never_wrong_and_never_harm_results(tmp_path, data):
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    payload = b"result"
    digest = hashlib.sha256(payload).hexdigest()
    files = f"F{len(payload)} {digest} r\n".encode() + base64.b64encode(payload) + b"\n"
    mine = [told(f"{n % 3}.jsonl", f'{{"n":{n},"x":"{"y" * (n * 7 % 50)}"}}') for n in range(12)]
    stream = b"".join(mine)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    pieces = data.draw(st.permutations(pieces))  # ranks' chunks in any order
    mark = MARK.encode()
    log = mark + b"S\n" + b"".join(pieces) + b"\n" + mark + b"T\n\n" + mark + files
    log += b"\n" + mark + b"N1\n\n" + mark + b"X0 1\n"
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    report, *_ = read(log, folder, sizes=sizes, outputs={"r": "r"}, lines={"*.jsonl": folder})
    assert (report.errors, report.exit_code) == ([], 0)
    assert (folder / "r").read_bytes() == payload
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    assert set(lines) <= {part.partition(b" ")[2].split(b" ", 2)[2].rstrip(b"\n") for part in mine}
    if not cuts:
        assert len(lines) == len(mine)


def test_incomplete_live_line_is_not_output(tmp_path):
    log = f"{MARK}S\nout\n".encode() + told("a", "{1}")[:-3]
    _, out, *_ = read(log, tmp_path, lines={"a": tmp_path / "a"})
    assert out == b"out\n"
    assert not (tmp_path / "a").exists()


text = st.binary(max_size=60).map(lambda data: data.replace(b"\x1e", b"").replace(b"\r", b""))


@given(
    out=st.lists(text, max_size=4),
    err=st.lists(text.map(lambda data: data.replace(b"\n", b"")), max_size=4),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_any_log_can_be_read_in_any_pieces(tmp_path_factory, out, err, sizes):
    folder = tmp_path_factory.mktemp("log")
    mark = MARK.encode()
    log = b"noise\n" + mark + b"S\n"
    for n in range(max(len(out), len(err))):
        log += out[n] if n < len(out) else b""
        log += mark + b"E" + err[n] + b"\n" if n < len(err) else b""
    log += b"\n" + mark + b"T\n\n" + mark + b"X0 0\n"
    report, found, errors, _ = read(log, folder, sizes=sizes)
    assert found == b"".join(out)
    assert errors == b"".join(line + b"\n" for line in err)
    assert report.streams_are_complete


@pytest.fixture(scope="module")
def whole_log(tmp_path_factory):
    pod = tmp_path_factory.mktemp("pod")
    (pod / "result").write_bytes(os.urandom(200))
    done = log_of("echo", "hello", folder=pod, patterns=("result",))
    return done.stdout, (pod / "result").read_bytes()


@given(data=st.data())
def test_truncated_log_gives_no_result(tmp_path_factory, whole_log, data):
    log, _ = whole_log
    at = data.draw(st.integers(0, len(log) - 1))
    folder = tmp_path_factory.mktemp("cut")
    report, *_ = read(log[:at], folder, outputs={"result": "result"})
    assert not report.files_are_complete


@given(data=st.data())
def test_a_damaged_log_gives_the_right_result_or_none(tmp_path_factory, whole_log, data):
    log, right = whole_log
    at = data.draw(st.integers(0, len(log) - 1))
    damaged = log[:at] + data.draw(st.binary(max_size=3)) + log[at + data.draw(st.integers(0, 9)) :]
    folder = tmp_path_factory.mktemp("damaged")
    report, *_ = read(damaged, folder, outputs={"result": "result"})
    if report.files_are_complete and report.files:
        assert (folder / "result").read_bytes() == right
    assert not list(folder.glob(".incoming-*"))


def test_a_rotated_log_lacks_its_beginning(tmp_path, whole_log):
    log, right = whole_log
    rotated = log[log.index(b"hello") + 2 :]
    report, *_ = read(rotated, tmp_path, outputs={"result": "result"})
    assert not report.streams_are_complete
    assert report.files_are_complete
    assert (tmp_path / "result").read_bytes() == right


def test_missing_pod_is_an_error(tmp_path):
    mark = MARK.encode()
    log = b"".join([mark, b"S\n\n", mark, b"T\n\n", mark, b"N0\n\n", mark, b"X0 2\n"])
    report, *_ = read(log, tmp_path)
    assert report.errors == ["the files of 1 pods are missing"]


def test_file_that_cannot_be_sent_is_an_error(tmp_path):
    mark = MARK.encode()
    log = mark + b"S\n\n" + mark + b"T\n\n" + mark + b"!big cannot be sent\n" + mark + b"X0 0\n"
    report, *_ = read(log, tmp_path)
    assert report.errors == ["big cannot be sent"]


def test_tail_has_the_last_lines_of_both_streams(tmp_path):
    script = "for n in $(seq 100); do echo $n; done; echo oops >&2"
    done = log_of("sh", "-c", script, folder=tmp_path)
    *_, tail = read(done.stdout, tmp_path)
    assert len(tail) == 12
    assert "oops" in tail
    assert "100" in tail


def test_workers_are_asked_for_their_files(tmp_path, monkeypatch):
    """The launcher asks every host of its host file; here ssh is a local shell."""
    bin_folder, pod = tmp_path / "bin", tmp_path / "pod"
    bin_folder.mkdir()
    pod.mkdir()
    (bin_folder / "ssh").write_text(
        '#!/bin/sh\necho "$5" >>asked\n[ "$5" != lost ] || exit 255\nsh\n'
    )
    # nobody knows a host's name when it is asked for it first
    (bin_folder / "getent").write_text(
        '#!/bin/sh\ngrep -s "$2" known && exit\necho "$2" >>known\nexit 2\n'
    )
    for program in bin_folder.iterdir():
        program.chmod(0o755)
    (pod / "result").write_text("found")
    hosts = tmp_path / "hosts"
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    for text, asked, faults in [
        ("w-0.j.ns.svc:2\nw-1.j.ns.svc:2\n", ["w-0.j.ns.svc", "w-1.j.ns.svc"], 0),
        ("w-0 slots=2\nlost slots=2\n", ["w-0", "lost"], 2),
    ]:
        hosts.write_text(text)
        (pod / "asked").unlink(missing_ok=True)
        line = wrapped("true", folder=pod, patterns=("result",))
        line[9] = str(hosts)
        done = subprocess.run(line, cwd=pod, capture_output=True, check=True, timeout=PATIENCE_S)
        report, *_ = read(done.stdout, tmp_path / "here", outputs={"result": "result"})
        assert (pod / "asked").read_text().split() == asked
        assert len(report.errors) == faults, report.errors
        assert (tmp_path / "here" / "result").read_text() == "found"


def test_broken_fetch_keeps_earlier_output(tmp_path):
    done = log_of("sh", "-c", "echo first; echo second >&2; echo third", folder=tmp_path)
    read(done.stdout, tmp_path)
    whole = [(tmp_path / name).read_bytes() for name in ("stdout", "stderr")]
    with LogReader(Collection(tmp_path / "stdout", tmp_path / "stderr", {}, MARK)) as reader:
        reader.feed(done.stdout[: done.stdout.index(b"first") + 3])
    assert [(tmp_path / name).read_bytes() for name in ("stdout", "stderr")] == whole


def test_rotated_log_keeps_earlier_output(tmp_path):
    done = log_of("sh", "-c", "echo first; echo second >&2; echo third", folder=tmp_path)
    read(done.stdout, tmp_path)
    rotated = done.stdout[done.stdout.index(b"S\n") + 2 :]
    report, out, err, tail = read(rotated, tmp_path)
    assert not report.streams_are_complete
    assert (out, err) == (b"first\nthird\n", b"second\n")
    assert sorted(tail) == ["first", "second", "third"]


def test_line_longer_than_a_chunk_is_complete(tmp_path):
    text = bytes(range(32, 127)) * 5_000
    log = f"{MARK}S\n{MARK}E".encode() + text + f"\n\n{MARK}T\n\n{MARK}X0 0\n".encode()
    report, out, err, _ = read(log, tmp_path, sizes=(1_000, 7, 65_536))
    assert report.streams_are_complete
    assert (out, err) == (b"", text + b"\n")


def written(path, *lines):
    files = LineAppender()
    for line in lines:
        files.add(path, line)
    files.close()
    return path.read_bytes()


def test_a_line_is_written_once(tmp_path):
    path = tmp_path / "new" / "file"
    assert written(path, b"a", b"b", b"a") == b"a\nb\n"
    assert written(path, b"a", b"b", b"c") == b"a\nb\nc\n"


def test_incomplete_last_line_is_terminated(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a\nhal")
    assert written(path, b"half", b"a") == b"a\nhal\nhalf\n"
