"""Which files a user can trust: nothing that another user could have written is executed.

A run folder says which Python file to execute, which jobs to cancel and which process to signal,
and holds pickles. So a folder and its files have to belong to the user, and others may not be able
to write them. The rules are those of ``StrictModes`` in sshd_config(5), with the same exception
for user private groups (umask 002): a group whose only member is the user counts as the user.

Write bits do not matter below a folder that others cannot enter. Folders above the run may belong
to anyone, as in a project's shared folder, unless every user can replace what is in them: each file
is checked again when it is opened. File systems that map owners (NFS with squashing, SMB, volumes
of containers) show files of the user under another id; `TRUST_VARIABLE` names such ids.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hybrid_parsl.errors import ConfigurationError, UntrustedFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

TRUST_VARIABLE = "HYBRID_PARSL_TRUSTED_UIDS"
"""Environment variable with user ids, separated by commas, whose files count as the user's own."""

_ROOT = 0


def is_own(path: Path) -> bool:
    """Return whether `path` belongs to the user; False if it does not exist."""
    try:
        return path.stat().st_uid in _own_ids()
    except OSError:
        return False


def check_folder(folder: Path) -> None:
    """Check that `folder` belongs to the user and cannot be changed or replaced by others.

    Raises
    ------
    UntrustedFileError
        If it belongs to another user, or other users can write it, or every user can write a
        folder above it that has no sticky bit.
    OSError
        If it cannot be examined.
    """
    folder = folder.resolve()
    status = folder.stat()
    if status.st_uid not in _own_ids():
        raise _foreign(folder, status)
    if _others_can_write(status):
        raise _writable(folder, status)
    for parent in folder.parents:
        mode = parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise UntrustedFileError(
                "is in a folder where every user can replace it",
                str(folder),
                None,
                f"{parent}, mode {stat.filemode(mode)}",
                f"another folder, or: chmod +t {parent}",
            )


def check_tree(folder: Path) -> None:
    """Check `folder`, as `check_folder` does, and all that is in it; root's files are accepted.

    Raises
    ------
    UntrustedFileError
        If something in it belongs to another user or can be written by others.
    OSError
        If it cannot be examined.
    """
    folder = folder.resolve()
    check_folder(folder)
    waiting = [(folder, False)]
    while waiting:
        place, is_closed = waiting.pop()
        is_closed = is_closed or not _others_can_enter(place.stat())
        for path in list(place.iterdir()):
            with contextlib.suppress(FileNotFoundError):  # a driver replaces files meanwhile
                status = path.lstat()
                _check_status(path, status, is_closed=is_closed)
                if stat.S_ISDIR(status.st_mode):
                    waiting.append((path, is_closed))


def check_source(path: Path) -> None:
    """Check that the user can trust Python code that this command did not name.

    It has to belong to the user, to root, or to the owner of this package. Its group may write it:
    sharing the code of a project is for the group to decide.

    Raises
    ------
    UntrustedFileError
        If it belongs to another user, or every user can write it.
    OSError
        If it cannot be examined.
    """
    status = path.stat()
    fault = ""
    if status.st_uid not in {*_own_ids(), _ROOT, Path(__file__).stat().st_uid}:
        fault = "belongs to another user"
    elif status.st_mode & stat.S_IWOTH:
        fault = "can be written by every user"
    if fault:
        valid = "a file of your own, or of the project that you name: --project DIR"
        raise UntrustedFileError(fault, str(path), None, _described(status), valid)


def check_file(path: Path) -> None:
    """Check that the file `path` refers to is the user's or root's, and not writable by others.

    Raises
    ------
    UntrustedFileError
        If it belongs to another user or can be written by others.
    OSError
        If it cannot be examined.
    """
    _check_status(path, path.stat())


def read_own(path: Path) -> bytes:
    """Return the content of the regular file at `path`, checked as `check_file` does.

    The file that was opened is the one that is checked; a symbolic link is not followed.

    Raises
    ------
    UntrustedFileError
        If it belongs to another user or can be written by others.
    OSError
        If it cannot be read.
    """
    with open_own(path) as file:
        return file.read()


@contextlib.contextmanager
def open_own(path: Path) -> Iterator[BinaryIO]:
    """Open the file at `path` for reading until the block ends, checked as `read_own` does.

    Raises
    ------
    UntrustedFileError
        If it belongs to another user or can be written by others.
    OSError
        If it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        _check_status(path, status)
        yield file


def _check_status(path: Path, status: os.stat_result, *, is_closed: bool = False) -> None:
    """Check the `status` of a file; in a closed folder, its write bits let no one in.

    Raises
    ------
    UntrustedFileError
        If it belongs to another user or can be written by others.
    """
    if status.st_uid not in {*_own_ids(), _ROOT}:
        raise _foreign(path, status)
    if not is_closed and not stat.S_ISLNK(status.st_mode) and _others_can_write(status):
        raise _writable(path, status)


def _own_ids() -> frozenset[int]:
    """Return the ids whose files count as the user's.

    Raises
    ------
    ConfigurationError
        If `TRUST_VARIABLE` is not a list of user ids.
    """
    text = os.environ.get(TRUST_VARIABLE, "")
    try:
        trusted = [int(each) for each in text.split(",") if each.strip()]
    except ValueError as error:
        message, valid = "must be a list of user ids", "numbers separated by commas: 1000,65534"
        raise ConfigurationError(message, f"${TRUST_VARIABLE}", None, text, valid) from error
    return frozenset({os.geteuid(), *trusted})


@cache
def _private_group(user: int) -> int | None:
    """Return the id of the primary group of `user` if no one else is in it, else None."""
    import grp
    import pwd

    try:
        account = pwd.getpwuid(user)
        group = grp.getgrgid(account.pw_gid)
    except KeyError:
        return None
    is_private = group.gr_name == account.pw_name and set(group.gr_mem) <= {account.pw_name}
    return account.pw_gid if is_private else None


def _others_have(status: os.stat_result, for_group: int, for_all: int) -> bool:
    """Return whether a user other than the owner has a permission, given by its two bits."""
    by_group = status.st_mode & for_group and status.st_gid != _private_group(status.st_uid)
    return bool(status.st_mode & for_all or by_group)


def _others_can_write(status: os.stat_result) -> bool:
    """Return whether a user other than the owner can write a file."""
    return _others_have(status, stat.S_IWGRP, stat.S_IWOTH)


def _others_can_enter(status: os.stat_result) -> bool:
    """Return whether a user other than the owner can reach what is in a folder."""
    return _others_have(status, stat.S_IXGRP, stat.S_IXOTH)


def _foreign(path: Path, status: os.stat_result) -> UntrustedFileError:
    """Return the error for a file of another user."""
    name = _user_name(status.st_uid)
    valid = f"files of your own; if you trust {name}, copy the whole folder with cp -r"
    return UntrustedFileError("belongs to another user", str(path), None, _described(status), valid)


def _writable(path: Path, status: os.stat_result) -> UntrustedFileError:
    """Return the error for a file that others can write."""
    valid = f"files that only you can write; if they are unchanged: chmod -R go-w {path}"
    return UntrustedFileError(
        "can be written by other users", str(path), None, _described(status), valid
    )


def _described(status: os.stat_result) -> str:
    """Return owner, group and mode of a file for a message."""
    owner = f"owner {_user_name(status.st_uid)} (uid {status.st_uid})"
    return f"{owner}, group {_group_name(status.st_gid)}, mode {stat.filemode(status.st_mode)}"


def _user_name(user: int) -> str:
    """Return the name of a user, or the id where it has none."""
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _group_name(group: int) -> str:
    """Return the name of a group, or the id where it has none."""
    import grp

    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)
