"""Machine code of the kernels on disk: shared by processes, versions and types of processor.

One folder holds the code of one version of the sources (and of Python and numba) for one type
of processor, so that versions cannot mix. Each file is one kernel for one combination of argument
types, carries a checksum, and appears complete or not at all: there is no index that could
point at something else. One process per folder compiles while the others wait for its files;
where the file system has no locks, each compiles and the last file stays.

Folders are looked for in ``NUMBA_CACHE_DIR`` if it is set, beside the source (where
`precompile` puts code that was compiled ahead of time) and in the user's cache. New code goes
into the first of them that can be written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import sys
import time
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from llvmlite import binding

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

SOURCES = (
    "circuit_kernels.py",
    "circuit_program.py",
    "compiling.py",
    "entry_points.py",
    "evaluate.py",
    "gradient_kernels.py",
    "gradient_simd_kernels.py",
    "kernel_arguments.py",
    "kernel_cache.py",
    "kernels.py",
    "simd_kernels.py",
    "pauli_simd_kernels.py",
    "simd.py",
)
_V3 = [
    "avx", "avx2", "bmi", "bmi2", "cx16", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sahf",
    "sse3", "sse4.1", "sse4.2", "ssse3",
]  # fmt: skip
# Targets of `precompile` and what a processor needs for them, the best one first: levels of the
# x86-64 psABI, section "micro-architecture levels", with 512-bit registers and without.
TARGETS = {
    "x86-64-v4": [*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"],
    "x86-64-v3": _V3,
}
# Environment variables that make numba target another processor.
_SETTINGS = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX")
_FOLDER = re.compile(r"[0-9a-f]{16}-[\w.-]+")
_DIGEST_BYTES = 32
_PATIENCE_S = 180.0
_PAUSE_S = 0.05
_DAY_S = 86400.0
_UNUSED_S = 30 * _DAY_S


@cache
def fingerprint(folder: Path = Path(__file__).parent) -> str:
    """Return a hash of the kernels' sources in a folder, and of what compiles them."""
    versions = [sys.implementation.cache_tag, version("numba"), version("llvmlite")]
    digest = sha256(" ".join(versions).encode())
    for name in SOURCES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


_LOADED = fingerprint()  # of the sources that this process has


def processors() -> Iterator[str]:
    """Give the types of processor whose code runs here, the best one first.

    The first one is this processor's, which code is compiled for.
    """
    name, features, avx = map(os.environ.get, _SETTINGS)
    here = _host_features()
    described = f"{here.flatten() if features is None else features}{avx or ''}"
    own = name or binding.get_host_cpu_name()
    yield f"{own}-{sha256(described.encode()).hexdigest()[:8]}" if described else own
    if (name, features, avx) == (None, None, None):
        yield from (level for level, needed in TARGETS.items() if all(map(here.get, needed)))


def _host_features() -> binding.FeatureMap:
    try:
        return binding.get_host_cpu_features()
    except RuntimeError:  # LLVM knows none of this processor
        return binding.FeatureMap()


def roots() -> Iterator[Path]:
    """Give the places for folders of machine code, the preferred one first."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen) / "hybrid-parsl"
    yield Path(__file__).parent / "__pycache__" / "kernels"
    user = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    yield Path(user) / "hybrid-parsl" / "kernels"


@cache
def folders() -> tuple[Path, ...]:
    """Return where code for this processor may be."""
    names = [f"{_LOADED[:16]}-{processor}" for processor in processors()]
    return tuple(root / name for root in roots() for name in names)


def cache_folder() -> Path | None:
    """Return the first folder that holds code for this processor, None if there is none."""
    return next((folder for folder in folders() if any(folder.glob("*.o"))), None)


@cache
def writable_folder() -> Path | None:
    """Return the folder for new code, None if there is no place for it."""
    own = next(processors())
    for root in roots():
        folder = root / f"{_LOADED[:16]}-{own}"
        try:
            is_new = not folder.is_dir()
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            os.close(os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644))
        except OSError:
            continue
        if _is_safe(folder):
            if is_new:
                prune(root)
            return folder
    return None


def _is_safe(folder: Path) -> bool:
    """Return whether only root and this user can write to a folder."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return status.st_uid in {0, os.geteuid()} and not status.st_mode & 0o022


def prune(root: Path) -> None:
    """Remove the folders of other versions that no process has used for a month."""
    for folder in root.iterdir():
        if not _FOLDER.fullmatch(folder.name) or folder.name.startswith(_LOADED[:16]):
            continue
        with contextlib.suppress(OSError):
            is_old = time.time() - (folder / "lock").stat().st_mtime > _UNUSED_S
            if is_old and _is_safe(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _mark_as_used(folder: Path) -> None:
    """Set the time of a folder's last use, once a day."""
    with contextlib.suppress(OSError):
        if time.time() - (folder / "lock").stat().st_mtime > _DAY_S:
            os.utime(folder / "lock")


def load_or_make(name: str, make: Callable[[], tuple[str, bytes]]) -> tuple[str, bytes]:
    """Return the symbol and the machine code of a kernel, read from disk or compiled now.

    Parameters
    ----------
    name
        Of the kernel and its types, which names the file.
    make
        Compiles it. One process at a time does, and the others wait for its file.
    """
    with contextlib.closing(_turns()) as turns:
        for is_ours in turns:
            found = _read(name)
            if found is None and is_ours:
                found = make()
                _write(name, *found)
            if found is not None:
                return found
    raise AssertionError  # the last turn is ours


def _turns() -> Generator[bool]:
    """Give, before each look at the disk, whether to compile what is missing there.

    That is False the first time and while another process holds the lock of the folder for new
    code, and True in the end.
    """
    yield False
    folder, begun = writable_folder(), time.monotonic()
    lock: int | None = None
    try:
        while folder and time.monotonic() - begun < _PATIENCE_S:
            try:
                if lock is None:
                    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_PAUSE_S)
            except OSError:  # no locks on this file system, or the folder is gone
                break
            yield False
        yield True
    finally:
        if lock is not None:
            os.close(lock)


def _read(name: str) -> tuple[str, bytes] | None:
    """Return the symbol and the code in the first folder that has them."""
    for folder in folders():
        try:
            data = (folder / f"{name}.o").read_bytes()
        except OSError:
            continue
        digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if _is_safe(folder) and sha256(content).digest() == digest:
            _mark_as_used(folder)
            symbol, _, code = content.partition(b"\0")
            return symbol.decode(), code
    return None


def _write(name: str, symbol: str, code: bytes) -> None:
    """Keep machine code, unless the disk refuses or sources changed."""
    folder = writable_folder()
    if folder is None:
        return
    content = b"\0".join([symbol.encode(), code])
    partial = folder / f"{name}.{uuid4().hex}"
    try:
        if fingerprint.__wrapped__() != _LOADED:
            return  # an update came while this process was importing them
        partial.write_bytes(sha256(content).digest() + content)
        partial.replace(folder / f"{name}.o")
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
