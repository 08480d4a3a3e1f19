"""What another user owns or can write is not trusted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hybrid_parsl import ownership
from hybrid_parsl.errors import ConfigurationError, UntrustedFileError
from hybrid_parsl.ownership import (
    TRUST_VARIABLE,
    check_file,
    check_folder,
    check_source,
    check_tree,
    is_own,
    read_own,
)

STRANGER = 12345
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    (folder / "tasks" / "search").mkdir(parents=True)
    (folder / "tasks" / "search" / "result.frame").write_bytes(b"x")
    folder.chmod(0o755)
    return folder


@pytest.fixture
def shared_group(monkeypatch):
    monkeypatch.setattr(ownership, "_private_group", lambda _: None)


@pytest.fixture
def private_group(monkeypatch):
    monkeypatch.setattr(ownership, "_private_group", lambda _: os.getgid())


def test_a_folder_of_the_users_own_is_accepted(run):
    check_tree(run)
    assert is_own(run)
    assert not is_own(run / "none")


@as_root
@pytest.mark.parametrize("name", [".", "tasks", "tasks/search/result.frame"])
def test_whatever_belongs_to_another_user_is_refused_with_the_owner(run, name):
    os.chown(run / name, STRANGER, STRANGER)
    with pytest.raises(UntrustedFileError, match="belongs to another user") as caught:
        check_tree(run)
    assert caught.value.source == str(run / name)
    assert f"owner {STRANGER} (uid {STRANGER})" in caught.value.found
    assert "cp -r" in caught.value.valid


@as_root
def test_the_owners_name_is_shown_where_there_is_one(run):
    os.chown(run, 65534, 65534)
    with pytest.raises(UntrustedFileError) as caught:
        check_folder(run)
    assert "owner nobody (uid 65534)" in caught.value.found


@as_root
def test_ids_that_the_user_trusts_count_as_the_users_own(run, monkeypatch):
    os.chown(run, STRANGER, STRANGER)
    monkeypatch.setenv(TRUST_VARIABLE, f"65534, {STRANGER}")
    check_tree(run)


@pytest.mark.parametrize("text", ["me", "1000 65534", "1.5"])
def test_a_list_of_ids_that_is_none(run, monkeypatch, text):
    monkeypatch.setenv(TRUST_VARIABLE, text)
    with pytest.raises(ConfigurationError, match="list of user ids") as caught:
        check_tree(run)
    assert caught.value.found == text


@pytest.mark.usefixtures("shared_group")
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_folder_that_others_can_write_is_refused(run, mode):
    run.chmod(mode)
    with pytest.raises(UntrustedFileError, match="can be written by other users") as caught:
        check_tree(run)
    assert "chmod -R go-w" in caught.value.valid


@pytest.mark.usefixtures("private_group")
def test_a_private_group_is_the_user(run):
    run.chmod(0o775)
    (run / "tasks" / "search" / "result.frame").chmod(0o664)
    check_tree(run)
    run.chmod(0o777)
    with pytest.raises(UntrustedFileError):
        check_tree(run)


def test_root_has_a_group_of_its_own():
    assert ownership._private_group(0) == 0
    assert ownership._private_group(4_000_000) is None


@pytest.mark.usefixtures("shared_group")
def test_write_bits_matter_only_where_others_can_get(run):
    (run / "tasks" / "search" / "result.frame").chmod(0o666)
    with pytest.raises(UntrustedFileError, match="can be written by other users"):
        check_tree(run)
    run.chmod(0o700)
    check_tree(run)


def test_a_parent_open_to_all_needs_the_sticky_bit(run):
    run.parent.chmod(0o777)
    with pytest.raises(UntrustedFileError, match="every user can replace it") as caught:
        check_tree(run)
    assert str(run.parent) in caught.value.found
    assert "chmod +t" in caught.value.valid
    run.parent.chmod(0o1777)
    check_tree(run)


@pytest.mark.usefixtures("shared_group")
def test_a_folder_of_runs_may_be_shared_by_a_group(run):
    run.parent.chmod(0o2775)
    check_tree(run)


def test_links_and_what_is_no_file_are_not_read(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    assert read_own(tmp_path / "file") == b"content"
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "none"):
        with pytest.raises(OSError, match=r"symbolic links|regular file|No such file"):
            read_own(tmp_path / name)


@as_root
def test_the_file_that_was_opened_is_checked(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    os.chown(path, STRANGER, STRANGER)
    for check in (check_file, read_own, check_source):
        with pytest.raises(UntrustedFileError, match="belongs to another user"):
            check(path)


@pytest.mark.usefixtures("shared_group")
def test_code_that_a_group_shares_is_accepted_but_not_what_all_can_write(tmp_path):
    path = tmp_path / "site.py"
    path.touch()
    path.chmod(0o664)
    check_source(path)
    path.chmod(0o666)
    with pytest.raises(UntrustedFileError, match="every user"):
        check_source(path)


AS_STRANGER = """
import grp, os, pwd, sys  # before the interpreter's own files are out of reach
from pathlib import Path
from hybrid_parsl.errors import HybridParslError
from hybrid_parsl.ownership import check_file, check_tree
os.setgroups([]); os.setgid(12345); os.setuid(12345)
for check in (check_file, check_tree):
    try:
        check(Path(sys.argv[1]))
        print("accepted")
    except HybridParslError as error:
        print(error.message)
"""


@as_root
def test_roots_files_are_accepted_but_not_roots_runs(tmp_path):
    place = tmp_path / "run"
    place.mkdir(mode=0o755)
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    done = subprocess.run(
        [sys.executable, "-c", AS_STRANGER, place], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n") == ["accepted", "belongs to another user", ""]
