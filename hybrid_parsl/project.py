"""The project folder: the user's apps, sites and experiments, loaded by path."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import nearest
from hybrid_parsl.own_code import class_fingerprint, find_own_code
from hybrid_parsl.ownership import check_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybrid_parsl.own_code import OwnCode

PROJECT_VARIABLE = "HYBRID_PARSL_PROJECT"
_TEMPLATE = Path(__file__).parent / "template"
_CHECKOUT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Project:
    """A folder with ``apps/``, ``site_configs/`` and ``experiments/``.

    Attributes
    ----------
    folder
        The absolute path.
    """

    folder: Path

    def check_owner(self) -> None:
        """Check that the user can trust the project's code though this command did not name it.

        Raises
        ------
        UntrustedFileError
            If it belongs to another user, or every user can write it.
        """
        code = self.folder / "apps" / "workflows.py"
        for path in (self.folder, code.parent, code, *self.sites().values()):
            if path.exists():
                check_source(path)

    def experiments(self) -> dict[str, Path]:
        """Return the experiment files of the project by name."""
        return {path.stem: path for path in sorted((self.folder / "experiments").glob("*.toml"))}

    def sites(self) -> dict[str, Path]:
        """Return the site files of the project by name."""
        files = sorted((self.folder / "site_configs").glob("*.py"))
        return {path.stem: path for path in files if not path.stem.startswith("_")}

    def experiment_path(self, text: str) -> Path:
        """Return the file of an experiment: a path, or the name of one of the project's.

        Raises
        ------
        ConfigurationError
            If there is no such file.
        """
        candidates = [Path(text), self.folder / text]
        for path in candidates:
            if os.path.isfile(path):  # noqa: PTH113 - False for a name too long
                return path.resolve()
        known = self.experiments()
        if text in known:
            return known[text]
        folder = next((path for path in candidates if os.path.isdir(path)), None)  # noqa: PTH112
        message = "no such experiment" if folder is None else "is a folder, not an experiment"
        valid = f"the path of a TOML file, or one of {', '.join(known) or 'none in the project'}"
        suggestion = nearest(text, known)
        if folder is not None and (folder / "experiment.toml").is_file():
            suggestion = str(Path(text) / "experiment.toml")
        raise ConfigurationError(message, None, None, text, valid, suggestion)

    def workflows(self) -> ModuleType:
        """Return the module ``apps/workflows.py``, executed anew.

        Its folder is known to Python as the package ``apps`` in this process only.

        Raises
        ------
        ConfigurationError
            If the file is not there or raises while it is executed.
        """
        path = self.folder / "apps" / "workflows.py"
        for name in [name for name in sys.modules if name.partition(".")[0] == "apps"]:
            del sys.modules[name]
        package = ModuleType("apps")
        package.__path__ = [str(path.parent)]
        sys.modules["apps"] = package
        importlib.invalidate_caches()
        class_fingerprint.cache_clear()
        if not path.is_file():
            message = "the project has no workflows"
            raise ConfigurationError(message, str(path))
        try:
            return importlib.import_module("apps.workflows")
        except (Exception, SystemExit) as error:
            raise broken_file(path.parent, error) from error

    def code_of(self, function: Callable[..., Any]) -> OwnCode:
        """Return the project's files that a function needs where it runs; none if it is installed.

        Raises
        ------
        ConfigurationError
            If they are too large.
        """
        return find_own_code([function.__module__], [self.folder])


def find_project(explicit: Path | None = None) -> Project:
    """Return the project to work in.

    That is, the first of: `explicit`, ``$HYBRID_PARSL_PROJECT``, the current folder if it
    holds ``apps/`` and ``site_configs/``, the template inside the package.

    Raises
    ------
    ConfigurationError
        If a folder that was named holds no project.
    """
    named = explicit or (Path(value) if (value := os.environ.get(PROJECT_VARIABLE)) else None)
    if named is not None:
        if not _is_project(named):
            source = "--project" if explicit else f"${PROJECT_VARIABLE}"
            message = "holds no project"
            valid = "a folder with apps/ and site_configs/"
            raise ConfigurationError(message, source, None, str(named), valid)
        return Project(named.resolve())
    here = Path.cwd()
    if _is_project(here):
        return Project(here)
    return Project(template_folder())


def template_folder() -> Path:
    """Return the folder with the apps, sites and experiments that the package brings."""
    return _TEMPLATE if _is_project(_TEMPLATE) else _CHECKOUT


def load_file(path: Path, name: str) -> ModuleType:
    """Execute the Python file at `path` as the module `name`, anew each time.

    Raises
    ------
    ConfigurationError
        If the file raises while it is executed.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        message = "is no Python file"
        raise ConfigurationError(message, str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise broken_file(path, error) from error
    return module


def broken_file(path: Path, error: BaseException) -> ConfigurationError:
    """Return the error that says where in the user's file (or folder) `error` was raised."""
    lines = [
        f"{frame.filename}, line {frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(str(path))
    ]
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_file():
        lines = [f"{error.filename}, line {error.lineno}"]
    where = lines[-1] if lines else str(path)
    return ConfigurationError(f"{type(error).__name__}: {error}", where)


def _is_project(folder: Path) -> bool:
    """Return whether `folder` holds a project."""
    needed = (folder / "apps", folder / "site_configs")
    return all(os.path.isdir(path) for path in needed)  # noqa: PTH112 - False for a name too long
