"""Where compiled code is kept, and that no process gets another version's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

import hybrid_parsl
from hybrid_parsl.simulate import entry_points, kernel_cache, precompile
from hybrid_parsl.simulate.alternating import AlternatingState
from hybrid_parsl.simulate.kernel_cache import SOURCES, fingerprint, processors, prune

_PACKAGE = Path(hybrid_parsl.__file__).parent
_SCRIPT = """
import sys
import numpy
from hybrid_parsl.simulate import entry_points, kernel_cache
{before}
kernel = entry_points.EntryPoint("kernels", "mirror_sign", "ii I", "d")
layout = numpy.zeros(10, int)
number = kernel.of()(1, 0, entry_points.address_of(layout))
print(number, "numba" in sys.modules, kernel_cache.cache_folder())
"""
# A file takes 0.2 s to write, and is seen half-written meanwhile.
_SLOW_DISK = """
import pathlib, time
def slowly(path, data):
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        time.sleep(0.2)
        file.write(data[len(data) // 2 :])
pathlib.Path.write_bytes = slowly
"""
_FULL_DISK = """
import pathlib
def refuse(path, data):
    raise OSError(28, "No space left on device")
pathlib.Path.write_bytes = refuse
"""
_NO_LOCKS = """
import fcntl
def refuse(*_):
    raise OSError(37, "No locks available")
fcntl.flock = refuse
"""


def copy_package(folder: Path) -> Path:
    package = folder / "hybrid_parsl"
    shutil.copytree(
        _PACKAGE / "simulate", package / "simulate", ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "__init__.py").write_text("", encoding="ascii")
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a copy of what the kernels need."""
    return copy_package(tmp_path / "site")


def change_result(folder: Path) -> None:
    """Make another version: one whose `mirror_sign` gives 100 less."""
    path = folder / "hybrid_parsl" / "simulate" / "kernels.py"
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace("return -1.0 if", "return -101.0 if"), encoding="utf-8")


def start(folder: Path, before: str = "", **environment: str) -> subprocess.Popen[str]:
    variables = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "HOME": str(folder.parent),
        "PYTHONDONTWRITEBYTECODE": "1", **environment,
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT.format(before=before)],
        text=True, env=variables, cwd=folder, stdout=subprocess.PIPE,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[float, bool, str]:
    """Return what `mirror_sign` gave, whether it was compiled, and where the code is."""
    output, _ = process.communicate()
    assert process.returncode == 0
    number, has_numba, folder = output.split(maxsplit=2)
    return float(number), has_numba == "True", folder.strip()


def run(folder: Path, before: str = "", **environment: str) -> tuple[float, bool, str]:
    return finish(start(folder, before, **environment))


def block(folder: Path) -> None:
    """Make the cache folder impossible, even for root: put a file in its place."""
    (folder / "hybrid_parsl" / "simulate" / "__pycache__").write_text("", encoding="ascii")


@pytest.mark.usefixtures("thorough")
def test_kept_beside_the_source(copy: Path) -> None:
    number, was_compiled, where = run(copy)
    assert (number, was_compiled) == (-1, True)
    beside = copy / "hybrid_parsl" / "simulate" / "__pycache__" / "kernels"
    assert Path(where).parent == beside
    assert run(copy) == (-1, False, where)


@pytest.mark.usefixtures("thorough")
def test_kept_where_numba_is_to_keep_it(copy: Path, tmp_path: Path) -> None:
    where = run(copy, NUMBA_CACHE_DIR=str(tmp_path / "numba"))[2]
    assert Path(where).is_relative_to(tmp_path / "numba")


@pytest.mark.usefixtures("thorough")
def test_read_only_package(copy: Path, tmp_path: Path) -> None:
    block(copy)
    where = run(copy)[2]
    assert Path(where).is_relative_to(tmp_path / ".cache" / "hybrid-parsl")
    assert run(copy) == (-1, False, where)


@pytest.mark.usefixtures("thorough")
def test_read_only_package_and_no_home(copy: Path) -> None:
    block(copy)
    assert run(copy, HOME="/dev/null/nobody") == (-1, True, "None")


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("trouble", [_FULL_DISK, _NO_LOCKS])
def test_kernels_work_without_disk_or_locks(copy: Path, trouble: str) -> None:
    assert run(copy, trouble)[:2] == (-1, True)


@pytest.mark.usefixtures("thorough")
def test_damaged_code_is_compiled_again(copy: Path) -> None:
    where = run(copy)[2]
    (file,) = Path(where).glob("*.o")
    file.write_bytes(file.read_bytes()[:-1])
    assert run(copy)[:2] == (-1, True)
    assert run(copy)[:2] == (-1, False)


@pytest.mark.usefixtures("thorough")
def test_code_that_others_could_have_written_is_not_loaded(copy: Path) -> None:
    where = run(copy)[2]
    Path(where).chmod(0o777)
    assert run(copy)[1]


@pytest.mark.usefixtures("thorough")
def test_code_of_a_level_is_used_by_processors_that_have_it(copy: Path) -> None:
    level = next((name for name in processors() if name in kernel_cache.TARGETS), None)
    if level is None:
        pytest.skip("this processor has none of the levels")
    where = run(copy, NUMBA_CPU_NAME=level, NUMBA_CPU_FEATURES="")[2]
    assert where.endswith(level)
    assert run(copy) == (-1, False, where)
    assert run(copy, NUMBA_CPU_NAME="generic")[1]


@pytest.mark.usefixtures("thorough")
def test_many_processes_and_two_versions_at_once(tmp_path: Path) -> None:
    """Each process gets its version's code; of those of one version, one compiles."""
    copies = [copy_package(tmp_path / name) for name in ("old", "new")]
    change_result(copies[1])
    shared = str(tmp_path / "numba")
    processes = [
        [start(folder, _SLOW_DISK, NUMBA_CACHE_DIR=shared) for folder in copies] for _ in range(3)
    ]
    results = [[finish(process) for process in pair] for pair in processes]
    for version, number in enumerate((-1, -101)):
        mine = [pair[version] for pair in results]
        assert [result[0] for result in mine] == [number] * 3
        assert sum(result[1] for result in mine) == 1
        assert len({result[2] for result in mine}) == 1


@pytest.mark.usefixtures("thorough")
def test_an_update_during_the_import_keeps_nothing(copy: Path) -> None:
    """Code of the old source must not be kept as that of the new one, nor the reverse."""
    source = copy / "hybrid_parsl" / "simulate" / "simd.py"
    change = f"open({str(source)!r}, 'a').write('# changed')"
    assert run(copy, change)[:2] == (-1, True)
    assert not list(copy.rglob("*.o"))


def test_any_changed_file_changes_the_fingerprint(copy: Path) -> None:
    folder = copy / "hybrid_parsl" / "simulate"
    before = fingerprint(folder)
    assert before == fingerprint.__wrapped__(folder)
    with (folder / "simd.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert fingerprint.__wrapped__(folder) != before


def test_sources_are_complete() -> None:
    """Whatever holds or makes kernels counts for the fingerprint."""
    folder = _PACKAGE / "simulate"
    makers = ("from .compiling import", "from .simd import", "\nfrom numba")
    found = {
        path.name
        for path in folder.glob("*.py")
        if any(maker in path.read_text(encoding="utf-8") for maker in makers)
    }
    constants = {"circuit_program.py", "entry_points.py", "kernel_arguments.py", "kernel_cache.py"}
    assert found | constants == set(SOURCES)


def test_folders_unused_for_a_month_are_removed(tmp_path: Path) -> None:
    mine = fingerprint()[:16]
    names = ["0" * 16 + "-znver3-00000000", "1" * 16 + "-znver3", f"{mine}-znver3", "other"]
    long_ago = time.time() - 40 * 86400
    for name in names:
        (tmp_path / name).mkdir(mode=0o755)
        (tmp_path / name / "lock").touch()
        os.utime(tmp_path / name / "lock", (long_ago, long_ago))
    (tmp_path / names[1] / "lock").touch()
    (tmp_path / ("2" * 16 + "-linked")).symlink_to(tmp_path / "other")
    prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*names[1:], "2" * 16 + "-linked"]
    )


@pytest.mark.usefixtures("thorough")
def test_precompiling_leaves_nothing_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, _: object) -> NoReturn:
        pytest.fail(f"{name} was not compiled")

    precompile.compile_all()
    monkeypatch.setattr(entry_points, "load_or_make", refuse)
    for precision in ("double", "single"):
        for threads in (1, 2):
            for cost in (np.arange(2**16) % 2.0, np.sqrt(np.arange(2.0**16))):
                state = AlternatingState(cost, 1, precision=precision, threads=threads)
                state.energy_and_gradient([0.1, 0.2])
                state.probabilities([0.1, 0.2])


def test_unknown_targets_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        precompile.main(["x86-64-v9"])
    assert (
        "unknown target 'x86-64-v9'; valid: x86-64-v4, x86-64-v3, this" in capsys.readouterr().err
    )
