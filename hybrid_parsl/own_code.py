"""The user's own Python files that an experiment names, for processes that may not see them.

A problem or backend of the form ``module:name`` may be a file beside the experiment, in the project
folder, in the current folder or on ``PYTHONPATH``. The experiment carries the text of such files
and of what they import from there to wherever its stages run. What is installed is not carried.
"""

from __future__ import annotations

import ast
import atexit
import hashlib
import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_parsl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec

MOST_BYTES = 2**20
"""Size of all files together: what a Secret of Kubernetes holds."""

_APPS = "apps"
_NEVER = {"hybrid_parsl", _APPS, "site_configs", "__main__", *sys.stdlib_module_names}
_provided: dict[str, bytes] = {}
"""The text of each file that this process may have imported, by name."""
_copied: dict[str, str] = {}
"""The folder of this process that holds copies, by the driver's folder."""


@dataclass(frozen=True)
class SourceFile:
    """One Python file.

    Attributes
    ----------
    folder
        The folder from which Python imports it, on the driver.
    name
        Its path below that, with slashes.
    text
        Its content.
    """

    folder: str
    name: str
    text: bytes


@dataclass(frozen=True, eq=False)
class OwnCode:
    """Python files of the user; two are equal, as the code is not part of the request.

    Attributes
    ----------
    files
        The files, sorted.
    """

    files: tuple[SourceFile, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnCode)

    def __hash__(self) -> int:
        return hash(OwnCode)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits, or nothing without a file."""
        if not self.files:
            return ""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.text).digest())
        return digest.hexdigest()[:16]

    @property
    def folders(self) -> list[str]:
        """The driver's folders from which the files are imported, sorted."""
        return sorted({file.folder for file in self.files})

    def reached_from(self, module: str) -> OwnCode:
        """Return the files of a module and of what it imports."""
        by_name: dict[str, list[SourceFile]] = {}
        for file in self.files:
            by_name.setdefault(_top(file.name), []).append(file)
        reached: dict[str, list[SourceFile]] = {}
        left = [module.partition(".")[0]]
        while left:
            name = left.pop()
            if name not in reached and name in by_name:
                reached[name] = by_name[name]
                left += (each for file in reached[name] for each in _imports(file.text))
        return OwnCode(tuple(file for file in self.files if _top(file.name) in reached))

    def provide(self) -> None:
        """Let this process import the files: those of the driver where they are seen, or copies.

        If a file differs from that of an earlier call, all modules of such calls are forgotten.
        """
        if not self.files:
            return
        if any(_provided.get(file.name, file.text) != file.text for file in self.files):
            _forget(set(map(_top, _provided)))
        _provided.update((file.name, file.text) for file in self.files)
        for folder in self.folders:
            files = [file for file in self.files if file.folder == folder]
            place = folder if all(map(_is_seen, files)) else _copies(folder, files)
            if place not in sys.path:
                sys.path.append(place)
        importlib.invalidate_caches()


def find_own_code(modules: Iterable[str], folders: Sequence[Path]) -> OwnCode:
    """Return the user's own files among modules, with those that they import.

    Imports count wherever they stand in a file; those by a computed name are not seen.

    Parameters
    ----------
    modules
        Names of modules.
    folders
        Folders to import from besides Python's own; this process does so from now on.

    Raises
    ------
    ConfigurationError
        If the files are larger than 1 MiB together.
    """
    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    importlib.invalidate_caches()
    places = {*map(Path.resolve, folders), *_users_places()}
    found: dict[str, list[SourceFile]] = {}
    left = [module.partition(".")[0] for module in modules]
    while left:
        name = left.pop()
        if name not in found and name not in _NEVER:
            found[name] = list(_files_of(name, places))
            left += (each for file in found[name] for each in _imports(file.text))
    return _bundle([file for several in found.values() for file in several])


def find_project_code(module: str, project: Path) -> OwnCode:
    """Return the files of a project's package ``apps`` that one of its modules needs.

    These are the module's own file, those of ``apps`` that it imports, and the user's modules
    that any of them imports.

    Parameters
    ----------
    module
        For instance ``apps.compare``.
    project
        The folder that holds ``apps``.

    Raises
    ------
    ConfigurationError
        If the files are larger than 1 MiB together.
    """
    found: dict[str, SourceFile] = {}
    others: set[str] = set()
    left = [module]
    while left:
        name = left.pop()
        file = _project_file(name, project)
        if file is None or file.name in found:
            continue
        found[file.name] = file
        imported = set(_dotted_imports(file.text, name))
        left += [each for each in imported if each.partition(".")[0] == _APPS]
        others |= {each for each in imported if each.partition(".")[0] != _APPS}
    return _bundle([*found.values(), *find_own_code(others, (project,)).files])


def _project_file(module: str, project: Path) -> SourceFile | None:
    """Return the file of a module of ``apps``, None if there is no such file."""
    stem = module.replace(".", "/")
    for name in (f"{stem}.py", f"{stem}/__init__.py"):
        path = project / name
        if path.is_file():
            return SourceFile(str(project.resolve()), name, path.read_bytes())
    return None


def _dotted_imports(text: bytes, module: str) -> Iterator[str]:
    """Yield the dotted names that the file of `module` imports or may import from a package."""
    for node in _import_statements(text):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            parent = module.rsplit(".", node.level)[0] if node.level else ""
            base = ".".join(filter(None, (parent, node.module)))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def python_path() -> set[Path]:
    """Return the folders that the environment variable PYTHONPATH names."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {Path(each).resolve() for each in named if each}


def _users_places() -> set[Path]:
    """Return the current folder, if Python imports from it, and those of PYTHONPATH."""
    is_searched = {"", str(Path.cwd())} & set(sys.path)
    return python_path() | ({Path.cwd()} if is_searched else set())


def _files_of(name: str, places: set[Path]) -> Iterator[SourceFile]:
    """Yield the files of a module or package that lies in one of the places."""
    spec = _spec(name)
    if spec is None:
        return
    paths = list(map(Path, spec.submodule_search_locations or ()))
    if not paths and spec.origin is not None:
        paths = [Path(spec.origin)]
    for path in paths:
        if path.parent.resolve() not in places:
            continue
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.suffix == ".py":
                relative = file.relative_to(path.parent).as_posix()
                yield SourceFile(str(path.parent.resolve()), relative, file.read_bytes())


def _spec(name: str) -> ModuleSpec | None:
    """Return where Python would import a module from, None if from nowhere."""
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None


def _top(name: str) -> str:
    """Return the top-level module that a file belongs to."""
    return name.partition("/")[0].removesuffix(".py")


def _imports(text: bytes) -> Iterator[str]:
    """Yield the top-level names that a file imports; none if it is not valid Python."""
    for node in _import_statements(text):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif node.module and not node.level:
            yield node.module.partition(".")[0]


def _import_statements(text: bytes) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the import statements of a file, wherever they stand; none if it is not Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    yield from (each for each in ast.walk(tree) if isinstance(each, ast.Import | ast.ImportFrom))


def _bundle(files: Sequence[SourceFile]) -> OwnCode:
    """Return files as what an experiment or a task carries.

    Raises
    ------
    ConfigurationError
        If they are larger than 1 MiB together.
    """
    _check_size(files)
    return OwnCode(tuple(sorted(files, key=lambda file: (file.folder, file.name))))


def _check_size(files: Sequence[SourceFile]) -> None:
    """Refuse more than an experiment can carry.

    Raises
    ------
    ConfigurationError
        If the files are too large.
    """
    size = sum(len(file.text) for file in files)
    if size > MOST_BYTES:
        largest = max(files, key=lambda file: len(file.text)).name
        raise ConfigurationError(
            "the project's own Python files are too large to travel with the experiment",
            None,
            "problem.kind",
            f"{size} bytes in {len(files)} files, the largest {largest}",
            f"at most {MOST_BYTES} bytes, or a package that is installed where stages run",
        )


def _is_seen(file: SourceFile) -> bool:
    """Return whether a file is here as it is on the driver."""
    try:
        return (Path(file.folder) / file.name).read_bytes() == file.text
    except OSError:
        return False


def _copies(source: str, files: Iterable[SourceFile]) -> str:
    """Return the folder of this process that holds copies of files of the driver's `source`."""
    if source not in _copied:
        _copied[source] = tempfile.mkdtemp(prefix="hybrid-parsl-code-")
        atexit.register(shutil.rmtree, _copied[source], ignore_errors=True)
    folder = Path(_copied[source])
    for file in files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.text)
    return str(folder)


def _forget(names: set[str]) -> None:
    """Remove modules that were imported, and their submodules."""
    for name in [each for each in sys.modules if each.partition(".")[0] in names]:
        del sys.modules[name]
