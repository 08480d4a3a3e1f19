from __future__ import annotations

import functools
import importlib
import math
import os.path
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from parsl import python_app
from parsl.app.errors import RemoteExceptionWrapper, wrap_error
from parsl.app.python import timeout

from hybrid_parsl.own_code import OwnCode, find_own_code
from hybrid_parsl.stage_function import StageFunction, is_found_by_name, undecorated

if TYPE_CHECKING:
    from pathlib import Path


def own_wrapper(function):
    @functools.wraps(function)
    def wrapper(*args: object) -> object:
        return function(*args)

    return wrapper


def test_the_function_behind_parsls_wrapper() -> None:
    wrapped = wrap_error(os.path.join)
    assert isinstance(wrapped(3), RemoteExceptionWrapper)  # it does hide exceptions
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(wrapped)  # and cannot travel by name
    assert undecorated(wrapped) is os.path.join
    assert undecorated(wrap_error(wrapped)) is os.path.join
    assert undecorated(timeout(wrapped, 3)) is os.path.join


def test_every_other_function_is_left_as_it_is() -> None:
    own = own_wrapper(os.path.join)
    partial = functools.partial(pow, 2)
    for function in (os.path.join, own, partial, len, str):
        assert undecorated(function) is function
    assert undecorated(wrap_error(own)) is own


def twice(x: int) -> int:
    return 2 * x


decorated = python_app(twice)


def test_it_travels_by_name_whatever_decorates_it() -> None:
    sent = StageFunction(undecorated(decorated), "p=3", OwnCode())
    received = pickle.loads(pickle.dumps(sent))
    assert received.__name__ == "p=3"
    assert received.reference == sent.reference
    assert undecorated(decorated) is twice


NAMES = """
import functools
from parsl import python_app

def times(k):
    def decorate(function):
        @functools.wraps(function)
        def product(x):
            return k * function(x)
        return product
    return decorate

def base(x):
    return x

double = times(2)(base)

def scale(x):
    return x

first = scale

def scale(x):
    return x

last = scale

@python_app
@times(2)
def app(x):
    return x

@times(2)
def decorated(x):
    return x

class Functions:
    @staticmethod
    def static(x):
        return x

static = Functions.static

def renamed(x):
    return x

other, renamed = renamed, None
"""


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module whose functions have been decorated, replaced and given other names."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stages_by_name.py").write_text(NAMES)
    monkeypatch.setitem(sys.modules, "stages_by_name", None)  # removed after the test
    del sys.modules["stages_by_name"]
    return importlib.import_module("stages_by_name")


@pytest.mark.parametrize("name", ["base", "last", "app", "decorated", "static", "times"])
def test_a_function_that_its_module_and_name_lead_to(named: Any, name: str) -> None:
    assert is_found_by_name(undecorated(vars(named)[name]))


@pytest.mark.parametrize("name", ["double", "first", "other"])
def test_a_function_whose_name_leads_elsewhere(named: Any, name: str) -> None:
    assert not is_found_by_name(vars(named)[name])


def test_a_function_of_a_module_that_has_been_loaded_anew_is_still_found(named: Any) -> None:
    del sys.modules["stages_by_name"]
    importlib.import_module("stages_by_name")
    assert is_found_by_name(named.base)
    assert not is_found_by_name(named.double)


def test_functions_of_packages_are_found_by_name() -> None:
    for function in (os.getpid, os.path.join, len, math.hypot, functools.wraps, python_app):
        assert is_found_by_name(function)
    assert not is_found_by_name([].append)  # of no module


def test_equal_functions_have_equal_source_and_any_name() -> None:
    first, again = (StageFunction(os.path.join, name, OwnCode()) for name in ("a", "b"))
    assert first == again
    assert hash(first) == hash(again)
    assert first != StageFunction(os.path.split, "a", OwnCode())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "apps").mkdir()
    (tmp_path / "helper.py").write_text("def add(x, y): return x + y\n")
    (tmp_path / "apps" / "shared.py").write_text("from helper import add\n")
    (tmp_path / "apps" / "other.py").write_text("unused = 1\n")
    (tmp_path / "apps" / "mine.py").write_text(
        "from parsl import python_app\nfrom apps.shared import add\n"
        "@python_app\ndef plus(x):\n    return add(x, 1)\n"
    )
    return tmp_path


def test_the_files_of_a_project_that_a_module_needs(project: Path) -> None:
    code = find_own_code(["apps.mine"], [project])
    assert [file.name for file in code.files] == ["apps/mine.py", "apps/shared.py", "helper.py"]
    before = code.fingerprint
    (project / "apps" / "other.py").write_text("unused = 2\n")
    assert find_own_code(["apps.mine"], [project]).fingerprint == before
    (project / "helper.py").write_text("def add(x, y): return x - y\n")
    assert find_own_code(["apps.mine"], [project]).fingerprint != before


@pytest.mark.usefixtures("thorough")
@pytest.mark.parametrize("is_seen", [True, False])
def test_it_is_called_where_nobody_has_imported_the_project(
    project: Path, tmp_path: Path, *, is_seen: bool
) -> None:
    code = find_own_code(["apps.mine"], [project])
    sent = StageFunction.__new__(StageFunction)
    sent.reference, sent.__name__, sent.code = "apps.mine:plus", "plus", code
    frame = tmp_path / "frame"
    frame.write_bytes(pickle.dumps(sent))
    if not is_seen:
        (project / "apps").rename(project / "elsewhere")
        (project / "helper.py").unlink()
    script = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb'))(41))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(frame)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("42\n", 0), done.stderr
