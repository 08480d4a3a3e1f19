"""Where PSI/J's launcher scripts can lie: they do not quote the path of their own folder."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from hybrid_parsl.engine.jobs.psij_loading import LOCAL
from hybrid_parsl.errors import ConfigurationError

_READ_BY_A_SHELL = re.compile(r"[^\w@%+=:,./~-]")


class ScriptFolder:
    """The folder for PSI/J's scripts.

    It lies beside the tasks, where every node sees it. If a shell would read more than a
    path in it, jobs of this host get a temporary folder instead; other backends have no such place.

    Parameters
    ----------
    backend
        PSI/J's name of the backend.
    work_directory
        The folder of the tasks.
    """

    def __init__(self, backend: str, work_directory: Path) -> None:
        self._path = work_directory.absolute() / ".psij"
        self._elsewhere = backend == LOCAL and bool(_READ_BY_A_SHELL.search(str(self._path)))
        self._temporary: TemporaryDirectory[str] | None = None

    def check(self) -> None:
        """Check that the scripts can work.

        Raises
        ------
        ConfigurationError
            If they cannot.
        """
        if not self._elsewhere:
            check_path(self._path, "--runs-dir")

    def open(self) -> Path:
        """Return the folder, which may not be there yet.

        Raises
        ------
        ConfigurationError
            If the scripts cannot work in it.
        """
        self.check()
        if not self._elsewhere:
            return self._path
        self._temporary = TemporaryDirectory(prefix="hybrid-parsl-")
        path = Path(self._temporary.name)
        check_path(path, "$TMPDIR")
        return path

    def close(self) -> None:
        """Remove what is temporary."""
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None


def check_path(path: Path, source: str) -> None:
    """Refuse a folder for scripts in whose path a shell would read more than a path.

    Parameters
    ----------
    path
        The folder, in the one that was chosen.
    source
        What chooses that one.

    Raises
    ------
    ConfigurationError
        If the path has a character with a meaning for a shell.
    """
    if _READ_BY_A_SHELL.search(str(path)):
        message = "the scripts of PSI/J cannot work in a folder with such a path"
        valid = "a path of letters, digits and any of _ - . / @ % + = : , ~"
        raise ConfigurationError(message, source, None, str(path.parent), valid)
