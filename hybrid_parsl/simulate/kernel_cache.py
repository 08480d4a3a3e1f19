"""Machine code of the kernels on disk: shared by processes, versions and types of processor.

One folder holds the code of one version of the sources (and of Python and numba) for one type
of processor, so that versions cannot mix. Each file is named after the kernel and its argument
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
import pickle
import re
import shutil
import sys
import time
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import llvmlite
import numba
from llvmlite import binding
from numba.core import config
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.serialize import dumps

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = (
    "circuit_kernels.py",
    "circuit_program.py",
    "compiling.py",
    "evaluate.py",
    "gradient_kernels.py",
    "gradient_simd_kernels.py",
    "kernel_cache.py",
    "kernels.py",
    "simd_kernels.py",
    "pauli_simd_kernels.py",
    "simd.py",
    "team.py",
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
_FOLDER = re.compile(r"[0-9a-f]{16}-[\w.-]+")
_DIGEST_BYTES = 32
_PATIENCE_S = 180.0
_PAUSE_S = 0.05
_DAY_S = 86400.0
_UNUSED_S = 30 * _DAY_S


@cache
def fingerprint(folder: Path = Path(__file__).parent) -> str:
    """Return a hash of the kernels' sources in a folder, and of what compiles them."""
    digest = sha256(
        f"{sys.implementation.cache_tag} {numba.__version__} {llvmlite.__version__}".encode()
    )
    for name in SOURCES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


_LOADED = fingerprint()  # of the sources that this process has


def processors() -> Iterator[str]:
    """Give the types of processor whose code runs here, the best one first.

    The first one is this processor's, which code is compiled for.
    """
    _, name, features = cpu_target.target_context.codegen().magic_tuple()
    yield f"{name}-{sha256(features.encode()).hexdigest()[:8]}" if features else name
    if config.CPU_NAME is None and config.CPU_FEATURES is None and config.ENABLE_AVX:
        here = binding.get_host_cpu_features()
        yield from (name for name, needed in TARGETS.items() if all(map(here.get, needed)))


def roots() -> Iterator[Path]:
    """Give the places for folders of machine code, the preferred one first."""
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR) / "hybrid-parsl"
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
    return next((folder for folder in folders() if any(folder.glob("*.nbc"))), None)


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


class _OnlyCompiler:
    """Lets one process at a time compile into a folder; held by the thread that compiles.

    A kernel is compiled with those that it calls, so that blocks are nested. The lock is taken
    by the first miss of the outermost one and released at its end.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._lock: int | None = None
        self._begun: float | None = None
        self._is_our_turn = False

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._is_our_turn, self._begun = False, None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def wait_for_turn(self, folder: Path) -> bool:
        """Wait a moment; return whether to compile, or False to look on disk once more."""
        if self._is_our_turn:
            return True
        self._begun = self._begun or time.monotonic()
        try:
            if self._lock is None:
                self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._is_our_turn = time.monotonic() - self._begun > _PATIENCE_S
            time.sleep(_PAUSE_S)
        except OSError:  # no locks on this file system, or the folder is gone
            self._is_our_turn = True
        else:
            self._is_our_turn = True
        return False


only_compiler = _OnlyCompiler()


class KernelCache(_Cache):  # type: ignore[misc]
    """The machine code of one kernel, one file for each combination of argument types.

    Parameters
    ----------
    function
        The kernel, as Python.
    """

    def __init__(self, function: Any) -> None:
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"
        self._is_enabled = True

    @property
    def cache_path(self) -> str | None:
        """The folder for new code, None if there is no place for it."""
        folder = writable_folder()
        return str(folder) if folder else None

    def enable(self) -> None:
        """Use the disk."""
        self._is_enabled = True

    def disable(self) -> None:
        """Leave the disk alone."""
        self._is_enabled = False

    def flush(self) -> None:
        """Forget nothing: what is on disk belongs to exactly these sources."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code for some argument types, None if this process is to compile it."""
        target_context.refresh()
        if not self._is_enabled:
            return None
        while (payload := self._read(sig)) is None:
            folder = writable_folder()
            if folder is None or only_compiler.wait_for_turn(folder):
                return None
        return CompileResult._rebuild(target_context, *payload)  # noqa: SLF001

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write the code for some argument types, unless the disk refuses or sources changed."""
        folder = writable_folder()
        if folder is None or not self._is_enabled or data.library.has_dynamic_globals:
            return
        content = dumps((str(sig), data._reduce()))  # noqa: SLF001
        path = folder / self._file_name(sig)
        partial = path.with_suffix(f".{uuid4().hex}")
        try:
            if fingerprint.__wrapped__() != _LOADED:
                return  # an update came while this process was importing them
            partial.write_bytes(sha256(content).digest() + content)
            partial.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()

    def _read(self, sig: Any) -> Any:
        """Return what the first folder with code for some argument types holds."""
        for folder in folders():
            try:
                data = (folder / self._file_name(sig)).read_bytes()
            except OSError:
                continue
            digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
            if not _is_safe(folder) or sha256(content).digest() != digest:
                continue
            found, payload = pickle.loads(content)  # noqa: S301 - safe: only we and root can write
            if found == str(sig):
                _mark_as_used(folder)
                return payload
        return None

    def _file_name(self, sig: Any) -> str:
        return f"{self._name}-{sha256(str(sig).encode()).hexdigest()[:16]}.nbc"
