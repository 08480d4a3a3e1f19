from __future__ import annotations

import hashlib
import os
import pickle
import struct
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_parsl.errors import ResultError, StorageError
from hybrid_parsl.tasks.serialization import decode_frame, encode_frame, read_frame, write_frame

if TYPE_CHECKING:
    from pathlib import Path

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)
EXAMPLE = encode_frame({"energies": [0.5, -1.25], "text": "größer", "__main__": b"\0\xff"})


@given(VALUES)
def test_a_value_comes_out_as_it_went_in(value: Any) -> None:
    assert decode_frame(encode_frame(value), "here") == value


def test_arrays_and_large_values() -> None:
    array = np.arange(300_000, dtype=np.complex128)
    np.testing.assert_array_equal(decode_frame(encode_frame(array), "here"), array)


def test_the_layout_is_the_one_that_is_written_down() -> None:
    frame = encode_frame([1, 2])
    payload = frame[48:]
    assert frame[:8] == b"HPFRAME1"
    assert struct.unpack(">Q", frame[8:16]) == (len(payload),)
    assert frame[16:48] == hashlib.sha256(payload).digest()
    assert pickle.loads(payload) == [1, 2]


@given(st.integers(0, len(EXAMPLE) - 1))
def test_any_truncation_is_a_result_error(length: int) -> None:
    with pytest.raises(ResultError, match=r"^here was cut short"):
        decode_frame(EXAMPLE[:length], "here")


@pytest.mark.parametrize("bit", range(8))
def test_any_flipped_bit_is_a_result_error(bit: int) -> None:
    for place in range(len(EXAMPLE)):
        damaged = bytearray(EXAMPLE)
        damaged[place] ^= 1 << bit
        with pytest.raises(ResultError, match=r"^here "):
            decode_frame(bytes(damaged), "here")


@given(st.binary(min_size=1, max_size=30))
def test_anything_behind_a_frame_is_a_result_error(more: bytes) -> None:
    with pytest.raises(ResultError):
        decode_frame(EXAMPLE + more, "here")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_result_error(data: bytes) -> None:
    with pytest.raises(ResultError):
        decode_frame(data, "here")


def test_a_value_that_cannot_be_unpickled_here() -> None:
    payload = b"cno_such_module_at_all\nThing\n."
    header = struct.pack(">8sQ32s", b"HPFRAME1", len(payload), hashlib.sha256(payload).digest())
    with pytest.raises(ResultError, match="cannot be read here: ModuleNotFoundError"):
        decode_frame(header + payload, "here")


class Stubborn:
    def __reduce__(self) -> Any:
        message = "not me"
        raise RuntimeError(message)


@pytest.mark.parametrize("value", [(n for n in "abc"), Stubborn(), sys._getframe()])
def test_a_value_that_cannot_travel(value: Any) -> None:
    with pytest.raises(ResultError, match=f"cannot send a {type(value).__name__}"):
        encode_frame(value)


def test_functions_of_modules_travel_by_name_and_others_by_value() -> None:
    assert b"posixpath" in encode_frame(os.path.join)
    assert len(encode_frame(os.path.join)) < 100
    assert decode_frame(encode_frame(os.path.join), "here") is os.path.join
    seven = 7
    assert decode_frame(encode_frame(lambda: seven + 1), "here")() == 8
    assert decode_frame(encode_frame(partial(pow, 2)), "here")(5) == 32


def test_a_function_of_a_script_travels_by_value(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from hybrid_parsl.tasks.serialization import write_frame\n"
        "def double(x):\n"
        "    return 2 * x\n"
        "write_frame(Path(sys.argv[1]), double)\n"
    )
    frame = tmp_path / "a.frame"
    subprocess.run([sys.executable, str(script), str(frame)], check=True)
    script.unlink()
    assert read_frame(frame)(21) == 42


# ---- files


def test_a_file_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "result.frame"
    write_frame(path, {"a": 1})
    write_frame(path, {"a": 2})
    assert read_frame(path) == {"a": 2}
    assert [each.name for each in tmp_path.iterdir()] == ["result.frame"]


def test_a_file_that_is_not_there_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "result.frame"
    with pytest.raises(ResultError, match="No such file"):
        read_frame(path)
    with pytest.raises(ResultError, match="Is a directory"):
        read_frame(tmp_path)
    path.write_bytes(EXAMPLE[:-1])
    with pytest.raises(ResultError, match=f"{path} was cut short"):
        read_frame(path)


def test_what_cannot_be_pickled_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "result.frame"
    write_frame(path, 1)
    with pytest.raises(ResultError):
        write_frame(path, Stubborn())
    assert read_frame(path) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["result.frame"]


def test_a_disk_that_fills_up_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.frame"
    write_frame(path, 1)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        write_frame(path, 2)
    assert caught.value.path == str(path)
    assert read_frame(path) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["result.frame"]


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        write_frame(tmp_path / "gone" / "result.frame", 2)


def test_a_frame_that_others_can_write_is_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "result.frame"
    write_frame(path, {"a": 1})
    path.chmod(0o666)
    with pytest.raises(ResultError, match="can be written by other users"):
        read_frame(path)
    link = tmp_path / "link.frame"
    path.chmod(0o600)
    link.symlink_to(path)
    with pytest.raises(ResultError, match="cannot be read"):
        read_frame(link)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_frame_of_another_user_is_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "result.frame"
    write_frame(path, {"a": 1})
    os.chown(path, 12345, 12345)
    with pytest.raises(ResultError, match=r"owner 12345 \(uid 12345\)"):
        read_frame(path)
